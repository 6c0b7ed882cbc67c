'use strict';
/** What the maker of packs does without a network: what it says when it cannot make one, and copies. */

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');

const BUILD_PACK = path.join(__dirname, '..', 'build-pack');

function build(...words) {
  return spawnSync(process.execPath, [BUILD_PACK, ...words], { encoding: 'utf8' });
}

test('without a folder it says how it is used', () => {
  const { status, stderr } = build(process.execPath);
  assert.equal(status, 1);
  assert.match(stderr, /usage: build-pack NODE OUT_DIR/);
});

test('a program that is no Node.js is refused by name', () => {
  for (const program of ['/bin/false', '/nonexistent/node']) {
    const { status, stderr } = build(program, '/nonexistent/out');
    assert.equal(status, 1);
    assert.ok(stderr.includes(`${program} is not a Node.js that runs here`), stderr);
  }
});

test('a pack with the program in it says where from its own folder', (t) => {
  const { copyProgram } = require(BUILD_PACK);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pack-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const [made, moved] = [path.join(folder, 'made'), path.join(folder, 'moved')];
  const pack = { executable: process.execPath, prefix: '/usr/local' };
  copyProgram(pack, made);
  fs.renameSync(made, moved);
  assert.deepEqual(pack, { executable: path.join('lang', 'bin', 'node'), prefix: 'lang' });
  const { stdout } = spawnSync(path.join(moved, pack.executable), ['-p', '6 * 7'], { encoding: 'utf8' });
  assert.equal(stdout, '42\n');
});

test('every package of either lock file is one that the other file pins', () => {
  for (const folder of ['packages', 'packages-18']) {
    const { dependencies } = require(`../${folder}/package.json`);
    const { packages } = require(`../${folder}/package-lock.json`);
    for (const [name, version] of Object.entries(dependencies)) {
      assert.equal(packages[`node_modules/${name}`].version, version, `${folder}: ${name}`);
    }
  }
});
