const make = (tag, text, kind) => {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (kind) element.className = kind;
  return element;
};
fetch('/api/openapi.json').then(answer => answer.json()).then(api => {
  const main = document.getElementById('main');
  main.replaceChildren(make('h1', api.info.title + ' API'), make('p', api.info.description));
  const link = make('a', 'openapi.json');
  link.href = '/api/openapi.json';
  main.append(link);
  const schema = body => body?.$ref ? api.components.schemas[body.$ref.split('/').pop()] : body;
  const shown = body => JSON.stringify(schema(body), null, 2);
  const tags = new Map();
  for (const [path, methods] of Object.entries(api.paths))
    for (const [method, operation] of Object.entries(methods))
      for (const tag of operation.tags ?? ['other'])
        tags.set(tag, [...(tags.get(tag) ?? []), [method, path, operation]]);
  for (const [tag, operations] of tags) {
    main.append(make('h2', tag));
    for (const [method, path, operation] of operations) {
      const details = make('details'), summary = make('summary');
      summary.append(make('span', method.toUpperCase(), 'method'), make('code', path),
        ' ' + (operation.summary ?? ''));
      details.append(summary, make('p', operation.description));
      for (const parameter of operation.parameters ?? [])
        details.append(make('p', `${parameter.name} (${parameter.in}): ${parameter.description ?? ''}`));
      for (const [media, content] of Object.entries(operation.requestBody?.content ?? {}))
        details.append(make('p', `Body, ${media}`), make('pre', shown(content.schema)));
      for (const [status, answer] of Object.entries(operation.responses))
        for (const [media, content] of Object.entries(answer.content ?? {}))
          details.append(make('p', `${status}, ${media}`), make('pre', shown(content.schema)));
      main.append(details);
    }
  }
});
