// Sends cases by firebase-admin and prints what it said of each: a JSON document on standard input, JSON lines out.
'use strict';
const fs = require('fs');
const path = require('path');
const tls = require('tls');
const library = name => require(path.join(process.env.FOREIGN_MODULES, name));

const { server, cases } = JSON.parse(fs.readFileSync(0, 'utf8'));

// The library has the names of Google's hosts in it. Connections to them end at the simulator instead, whose certificate is
// for localhost; everything above TLS is the library's own.
const connect = tls.connect;
tls.connect = function (...given) {
  const options = given.find(one => typeof one === 'object' && one !== null);
  const host = options?.servername ?? options?.host ?? given.find(one => typeof one === 'string');
  if (!/\.googleapis\.com$/.test(host)) throw new Error(`${host} is no host of Google's`);
  const listener = given.find(one => typeof one === 'function');
  return connect.call(tls, { ...options, host: server.host, port: server.port, servername: 'localhost' }, listener);
};

const { cert, initializeApp } = library('firebase-admin/lib/app');
const { getMessaging } = library('firebase-admin/lib/messaging');
const apps = new Map();

function messagingFor(wanted) {
  const file = wanted.service_account_file ?? server.service_account_file;
  if (!apps.has(file)) apps.set(file, initializeApp({ credential: cert(file) }, file));
  return getMessaging(apps.get(file));
}

function messageFor({ target, title, data, ttl_seconds, link }) {
  const message = { ...target, data };
  if (title !== undefined) message.notification = { title };
  if (ttl_seconds !== undefined) message.android = { ttl: ttl_seconds * 1000, priority: 'high' };
  if (link !== undefined) message.webpush = { fcmOptions: { link } };
  return message;
}

function print(name, said) {
  process.stdout.write(JSON.stringify({ case: name, said }) + '\n');
}

async function sendOne(wanted) {
  try {
    print(wanted.name, { name: await messagingFor(wanted).send(messageFor(wanted)) });
  } catch (error) {
    print(wanted.name, { code: error.code });
  }
}

async function sendEach(several) {
  if (several.length === 0) return;
  const answer = await messagingFor(several[0]).sendEach(several.map(messageFor));
  answer.responses.forEach((response, index) => {
    const said = response.success ? { name: response.messageId } : { code: response.error.code };
    print(several[index].name, { success: response.success, ...said });
  });
}

async function main() {
  for (const wanted of cases.filter(one => !one.at_once)) await sendOne(wanted);
  await sendEach(cases.filter(one => one.at_once));
}

main();
