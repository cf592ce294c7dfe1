/* Shows the OpenAPI document with Swagger UI. It asks nobody else: no validator, no fonts. */

/* Swagger UI has an <audio> ask for an answer's sound again, with GET, which is another request.
   So what came is put in its place. */
let sound = "";

function keepSound(response) {
  const came = response.data instanceof Blob && response.data.type.startsWith("audio/");
  if (came) {
    URL.revokeObjectURL(sound);
    sound = URL.createObjectURL(response.data);
  }
  return response;
}

function playWhatCame() {
  for (const source of document.querySelectorAll("audio source")) {
    if (!sound || source.src.startsWith("blob:")) continue;
    source.src = sound;
    source.parentElement.load();
  }
}

new MutationObserver(playWhatCame).observe(document.body, { childList: true, subtree: true });

SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#viewer",
  deepLinking: true,
  validatorUrl: null,
  docExpansion: "list",
  displayRequestDuration: true,
  responseInterceptor: keepSound,
});
