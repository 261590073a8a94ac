// Sends cases by web-push and prints what it said of each: a JSON document on standard input, JSON lines out.
'use strict';
const fs = require('fs');
const path = require('path');
const library = name => require(path.join(process.env.FOREIGN_MODULES, name));
const webpush = library('web-push');

const { cases } = JSON.parse(fs.readFileSync(0, 'utf8'));

function optionsFor({ vapid, ttl, urgency, topic, content_encoding }) {
  const options = { vapidDetails: { subject: vapid.subject, publicKey: vapid.public_key, privateKey: vapid.private_key } };
  if (ttl !== undefined) options.TTL = ttl;
  if (urgency !== undefined) options.urgency = urgency;
  if (topic !== undefined) options.topic = topic;
  if (content_encoding !== undefined) options.contentEncoding = content_encoding;
  return options;
}

async function run(wanted) {
  let said;
  try {
    const answer = await webpush.sendNotification(wanted.subscription, wanted.payload, optionsFor(wanted));
    said = { statusCode: answer.statusCode, hasLocation: answer.headers.location !== undefined };
  } catch (error) {
    said = { raised: error.name };
    if (error.statusCode === undefined) said.message = error.code ?? error.message;
    else said.statusCode = error.statusCode;
    if (error.body) said.body = error.body;
  }
  process.stdout.write(JSON.stringify({ case: wanted.name, said }) + '\n');
}

async function main() {
  for (const wanted of cases.filter(one => !one.at_once)) await run(wanted);
  await Promise.all(cases.filter(one => one.at_once).map(run));
}

main();
