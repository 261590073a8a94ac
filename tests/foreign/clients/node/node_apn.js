// Sends cases by @parse/node-apn and prints what it said of each: a JSON document on standard input, JSON lines out.
'use strict';
const fs = require('fs');
const path = require('path');
const library = name => require(path.join(process.env.FOREIGN_MODULES, name));
const apn = library('@parse/node-apn');

const { server, cases } = JSON.parse(fs.readFileSync(0, 'utf8'));
const providers = new Map();

function providerFor({ key_file, key_id, team_id }) {
  const identity = [key_file ?? server.key_file, key_id ?? server.key_id, team_id ?? server.team_id];
  const name = identity.join(' ');
  if (!providers.has(name)) {
    const [key, keyId, teamId] = identity;
    const options = { token: { key, keyId, teamId }, ca: [fs.readFileSync(server.ca_file)] };
    providers.set(name, new apn.Provider({ ...options, address: server.host, port: server.port }));
  }
  return providers.get(name);
}

function notificationFor(wanted) {
  const notification = new apn.Notification();
  notification.rawPayload = JSON.parse(wanted.payload);
  notification.id = wanted.id;
  notification.topic = wanted.topic;
  notification.pushType = wanted.push_type;
  if (wanted.priority !== undefined) notification.priority = wanted.priority;
  if (wanted.expiration !== undefined) notification.expiry = wanted.expiration;
  if (wanted.collapse_id !== undefined) notification.collapseId = wanted.collapse_id;
  return notification;
}

// What the library resolved to, in its own fields; an error of its own keeps its message and what caused it.
function inItsOwnWords({ sent, failed }) {
  const [answer, ...further] = [...sent, ...failed];
  const said = { sent: sent.length, failed: failed.length, further: further.length };
  for (const field of ['status', 'response', 'apns-id']) {
    if (answer[field] !== undefined) said[field] = answer[field];
  }
  if (answer.error) said.error = answer.error.message;
  return said;
}

async function run(wanted) {
  const said = inItsOwnWords(await providerFor(wanted).send(notificationFor(wanted), wanted.token));
  process.stdout.write(JSON.stringify({ case: wanted.name, said }) + '\n');
}

async function main() {
  for (const wanted of cases.filter(one => !one.at_once)) await run(wanted);
  await Promise.all(cases.filter(one => one.at_once).map(run));
  for (const provider of providers.values()) provider.shutdown();
}

main();
