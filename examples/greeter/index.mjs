// A page that greets whoever the query names: AWS Lambda code for a function URL, as it is on AWS.

const GREETINGS = { de: 'Guten Tag', en: 'Hello', fr: 'Bonjour', zh: '你好' };

export const handler = async (event, context) => {
  const { name = 'world', lang = 'en' } = event.queryStringParameters ?? {};
  const greeting = GREETINGS[lang];
  console.log('greeting', { name, lang, left: context.getRemainingTimeInMillis() });
  if (!greeting) {
    return { statusCode: 404, body: `no greeting in ${lang}` };
  }
  return {
    statusCode: 200,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    body: `<h1>${greeting}, ${escaped(name)}!</h1>\n`,
  };
};

function escaped(text) {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.codePointAt(0)};`);
}
