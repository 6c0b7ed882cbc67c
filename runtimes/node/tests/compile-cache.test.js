'use strict';
/** Packages loaded with code that was compiled when the pack was made. */

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, test } = require('node:test');

const RUNTIMES = path.join(__dirname, '..');
const folders = [];

after(() => folders.forEach((folder) => fs.rmSync(folder, { recursive: true })));

/** A folder of packages, compiled. */
class Packages {
  constructor(files) {
    this.folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'kiln-compile-')));
    folders.push(this.folder);
    for (const [name, content] of Object.entries(files)) this.write(name, content);
    execFileSync(process.execPath, [path.join(RUNTIMES, 'make-compile-cache.js'), this.modules, this.cache]);
  }

  get modules() {
    return path.join(this.folder, 'node_modules');
  }

  get cache() {
    return path.join(this.folder, 'compile-cache');
  }

  write(name, content) {
    const file = path.join(this.modules, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
  }

  /** What an expression or a promise for one gives in a new process with these packages. */
  evaluate(expression, ...flags) {
    const program = `
      require(${JSON.stringify(path.join(RUNTIMES, 'kiln_runtime', 'compile_cache.js'))})
        .use(${JSON.stringify(this.modules)}, ${JSON.stringify(this.cache)});
      (async () => ${expression})().then((value) => console.log(JSON.stringify(value)));`;
    fs.writeFileSync(path.join(this.folder, 'program.js'), program);
    return JSON.parse(execFileSync(process.execPath, [...flags, 'program.js'], { cwd: this.folder, encoding: 'utf8' }));
  }
}

// V8 tells sources apart by their length: another text of the same length shows whose code runs.
const HELLO = 'exports.GreetClient = class { constructor() { this.text = "hello"; } };';
const ADIEU = HELLO.replace('hello', 'adieu');

for (const flags of [[], ['--max-semi-space-size=6', '--max-old-space-size=116']]) {
  test(`the code compiled ahead is what runs, with ${flags.length} flags of a heap`, () => {
    const packages = new Packages({ 'greet/index.js': HELLO, '@scope/greet/index.js': HELLO });
    packages.write('greet/index.js', ADIEU);
    packages.write('@scope/greet/index.js', ADIEU);
    for (const name of ['greet', '@scope/greet']) {
      assert.equal(packages.evaluate(`new (require('${name}').GreetClient)().text`, ...flags), 'hello');
    }
    const imported = "import('greet').then(({ GreetClient }) => new GreetClient().text)";
    assert.equal(packages.evaluate(imported, ...flags), 'hello');
  });
}

test('a source that is another one is compiled anew', () => {
  const packages = new Packages({ 'greet/index.js': HELLO });
  packages.write('greet/index.js', HELLO.replace('hello', 'good morning'));
  assert.equal(packages.evaluate("new (require('greet').GreetClient)().text"), 'good morning');
});

test('a function that runs with other flags of V8 gets its modules compiled anew', () => {
  const packages = new Packages({ 'greet/index.js': HELLO });
  packages.write('greet/index.js', ADIEU);
  assert.equal(packages.evaluate("new (require('greet').GreetClient)().text", '--no-opt'), 'adieu');
});

test('what is not in the folder is not touched', () => {
  const packages = new Packages({ 'greet/index.js': HELLO });
  fs.writeFileSync(path.join(packages.folder, 'own.js'), ADIEU);
  assert.equal(packages.evaluate("new (require('./own.js').GreetClient)().text"), 'adieu');
});

test('modules find what Node gives them', () => {
  const packages = new Packages({
    'whole/package.json': '{"name": "whole", "main": "lib/main.js", "version": "1.2.3"}',
    'whole/lib/main.js': `
      exports.around = [__filename, __dirname, module.id === __filename, this === exports];
      exports.required = [require('./part'), require('../package.json').version, require('other')];
      exports.resolved = require.resolve('other');
      exports.cached = require.cache[__filename] === module;
      exports.parent = module.children.length;`,
    'whole/lib/part.js': 'module.exports = "part";',
    'other/index.js': 'module.exports = "other";',
    'late/index.js': "exports.load = () => import('other');",
  });
  const found = packages.evaluate("require('whole')");
  const folder = path.join(packages.modules, 'whole', 'lib');
  assert.deepEqual(found.around, [path.join(folder, 'main.js'), folder, true, true]);
  assert.deepEqual(found.required, ['part', '1.2.3', 'other']);
  assert.equal(found.resolved, path.join(packages.modules, 'other', 'index.js'));
  assert.equal(found.cached, true);
  assert.equal(found.parent, 3);
  assert.equal(packages.evaluate("(await require('late').load()).default"), 'other');
});

test('a package that cannot be loaded when the pack is made is compiled when it is used', () => {
  const packages = new Packages({
    'broken/index.js': 'if (!globalThis.ready) throw new Error("not here"); module.exports = "works";',
    'greet/index.js': HELLO,
  });
  assert.equal(packages.evaluate("(globalThis.ready = true, require('broken'))"), 'works');
});

test('without a file of compiled code everything is compiled as usual', () => {
  const packages = new Packages({ 'greet/index.js': HELLO });
  fs.rmSync(packages.cache);
  packages.write('greet/index.js', ADIEU);
  assert.equal(packages.evaluate("new (require('greet').GreetClient)().text"), 'adieu');
});
