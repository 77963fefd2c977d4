// Sends every HTTP request of a Node program to the stand-in: https://api.example.com/x goes to
// $ATLAS_STAND_IN/api.example.com/x. For servers that know one address and no other. Used as `node --require`.

'use strict';

const http = require('node:http');
const https = require('node:https');

const standIn = new URL(process.env.ATLAS_STAND_IN);
const OWN = `127.0.0.1:${standIn.port}`;

function moved(url) {
  const asked = new URL(url);
  return asked.host === OWN ? asked : new URL(`/${asked.host}${asked.pathname}${asked.search}`, standIn);
}

const fetchThere = globalThis.fetch;
globalThis.fetch = (input, init) =>
  input instanceof Request
    ? fetchThere(new Request(moved(input.url), input), init)
    : fetchThere(moved(input), init);

function rerouted(protocol, request) {
  return (first, ...rest) => {
    const byUrl = typeof first === 'string' || first instanceof URL;
    const given = byUrl ? (typeof rest[0] === 'object' ? rest.shift() : {}) : first;
    const asked = byUrl
      ? new URL(first)
      : new URL(given.path ?? '/', `${protocol}//${given.hostname ?? given.host}${given.port ? `:${given.port}` : ''}`);
    const to = moved(asked);
    const path = `${to.pathname}${to.search}`;
    const options = { ...given, protocol: 'http:', host: undefined, hostname: to.hostname, port: to.port, path };
    delete options.agent;
    return request.call(http, options, ...rest);
  };
}

const plain = http.request;
for (const [protocol, module] of [['http:', http], ['https:', https]]) {
  module.request = rerouted(protocol, plain);
  module.get = (...asked) => {
    const request = module.request(...asked);
    request.end();
    return request;
  };
}
require('node:module').syncBuiltinESMExports();
