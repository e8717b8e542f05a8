export default {
  fetch: (request, { upstream }) => upstream.fetch(request),
}
