// A small web program with Express; serverless-http makes a handler of AWS Lambda of it, and nothing else differs.

import express from 'express';
import serverless from 'serverless-http';

const GREETINGS = { de: 'Guten Tag', en: 'Hello', fr: 'Bonjour', zh: '你好' };

export const app = express();
app.use(express.json());
app.use(express.raw({ type: 'application/octet-stream' }));

app.get('/', (request, response) => {
  response.type('html').send('<h1>Greetings</h1>\n');
});

app.get('/greetings', (request, response) => {
  response.json(Object.keys(GREETINGS).slice(0, request.query.limit));
});

app.post('/greetings', (request, response) => {
  greet(response.status(201), request.body.lang, request.body.name);
});

app.get('/greetings/:lang', (request, response) => {
  greet(response, request.params.lang, request.query.name ?? 'world');
});

app.post('/login', (request, response) => {
  response.cookie('name', 'ann', { httpOnly: true });
  response.cookie('theme', 'dark');
  response.type('text').send('welcome');
});

app.get('/whoami', (request, response) => {
  const cookies = new URLSearchParams((request.headers.cookie ?? '').replaceAll('; ', '&'));
  response.type('text').send(cookies.get('name') ?? 'nobody');
});

app.post('/reverse', (request, response) => {
  response.type('application/octet-stream').send(Buffer.from(request.body).reverse());
});

function greet(response, lang, name) {
  if (!GREETINGS[lang]) {
    response.status(404).json({ error: `no greeting in ${lang}` });
    return;
  }
  response.json({ text: `${GREETINGS[lang]}, ${name}!` });
}

export const handler = serverless(app, { binary: ['application/octet-stream'] });
