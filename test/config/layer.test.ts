import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { environmentLayer, fileLayer, flagLayer } from '../../src/config/layer.js';

describe('config/layer', () => {
  it('reads flags, lists by comma and by repetition, paths from the working folder', () => {
    const { settings, problems } = flagLayer(
      { listen: '[::]:1', deny: ['a.example, b.example', 'c.example,'], 'ca-dir': 'ca', 'upstream-ca': 'x.pem,/y.pem' },
      '/work',
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(settings, [
      { name: 'listen', value: '[::]:1', origin: '--listen' },
      { name: 'ca-dir', value: '/work/ca', origin: '--ca-dir' },
      { name: 'deny', value: ['a.example', 'b.example', 'c.example'], origin: '--deny' },
      { name: 'upstream-ca', value: ['/work/x.pem', '/y.pem'], origin: '--upstream-ca' },
    ]);
  });

  it('does not choose between two values of one flag', () => {
    assert.deepEqual(flagLayer({ listen: ['a:1', 'b:2'] }, '/').problems, ['--listen is given 2 times.']);
  });

  it('leaves an empty path empty, so that it is complained about', () => {
    assert.equal(flagLayer({ 'data-dir': '' }, '/work').settings[0]?.value, '');
  });

  it('reads variables, and counts empty ones as not set', () => {
    const { settings, problems } = environmentLayer(
      { ENTREPOT_GRANT_TTL: '5m', ENTREPOT_DENY: 'a.example,b.example', ENTREPOT_LISTEN: '', PATH: '/bin' },
      '/',
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(settings, [
      { name: 'grant-ttl', value: '5m', origin: 'ENTREPOT_GRANT_TTL' },
      { name: 'deny', value: ['a.example', 'b.example'], origin: 'ENTREPOT_DENY' },
    ]);
  });

  it('complains about unknown variables with a suggestion', () => {
    assert.deepEqual(environmentLayer({ ENTREPOT_LISEN: 'a:1', ENTREPOT_COLOUR: 'x' }, '/').problems, [
      'ENTREPOT_LISEN is no variable of entrepot. Did you mean ENTREPOT_LISTEN?',
      'ENTREPOT_COLOUR is no variable of entrepot.',
    ]);
  });

  it('C08: refuses the variable that switches the check of certificates off', () => {
    assert.match(environmentLayer({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, '/').problems.join(), /unset it/);
    assert.deepEqual(environmentLayer({ NODE_TLS_REJECT_UNAUTHORIZED: '1' }, '/').problems, []);
  });

  it('takes the variables that are no options, and those of Kubernetes services', () => {
    const env = {
      ENTREPOT_CONFIG: 'c.yaml',
      ENTREPOT_ADMIN_TOKEN: 't',
      ENTREPOT_SERVICE_HOST: '10.0.0.1',
      ENTREPOT_SERVICE_PORT: '3128',
      ENTREPOT_SERVICE_PORT_PROXY: '3128',
      ENTREPOT_PORT: 'tcp://10.0.0.1:3128',
      ENTREPOT_PORT_3128_TCP: 'tcp://10.0.0.1:3128',
      ENTREPOT_PORT_3128_TCP_ADDR: '10.0.0.1',
      ENTREPOT_ADMIN_SERVICE_HOST: '10.0.0.2',
    };
    assert.deepEqual(environmentLayer(env, '/'), { settings: [], problems: [] });
  });

  describe('of a file', () => {
    let folder = '';
    before(() => {
      folder = mkdtempSync(path.join(tmpdir(), 'entrepot-layer-'));
    });
    after(() => rmSync(folder, { recursive: true }));

    it('reads keys, paths from the folder of the file, and splits no item of a sequence', () => {
      const file = path.join(folder, 'a.yaml');
      writeFileSync(file, 'dataDir: data\nupstreamCa:\n  - "a,b.pem"\n  - /c.pem\ntunnel: a.example, b.example\n');
      assert.deepEqual(fileLayer(file), {
        settings: [
          { name: 'data-dir', value: path.join(folder, 'data'), origin: `${file}:1` },
          { name: 'upstream-ca', value: [path.join(folder, 'a,b.pem'), '/c.pem'], origin: `${file}:2` },
          { name: 'tunnel', value: ['a.example', 'b.example'], origin: `${file}:5` },
        ],
        registries: [],
        problems: [],
      });
    });

    it('reads what is configured for single registries, and complains about it with the rest', () => {
      const file = path.join(folder, 'r.yaml');
      writeFileSync(file, 'lisen: a:1\nregistries:\n  a.example: {insecure: true}\n  b.example: {crt: x}\n');
      const { registries, problems } = fileLayer(file);
      assert.deepEqual(
        registries.map(({ pattern, insecure, origin }) => [pattern, insecure, origin]),
        [
          ['a.example', true, `${file}:3`],
          ['b.example', false, `${file}:4`],
        ],
      );
      assert.equal(problems.length, 2);
      writeFileSync(file, 'registries: a.example\n');
      assert.match(fileLayer(file).problems.join(), /:1: registries needs host patterns below it/);
    });

    it('L04: takes the names of JavaScript for what they are', () => {
      const file = path.join(folder, 'p.yaml');
      const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
      writeFileSync(
        file,
        `${names.map((name) => `${name}: {a: 1}`).join('\n')}\nregistries:\n  __proto__: {__proto__: 1}\n`,
      );
      const { settings, problems } = fileLayer(file);
      assert.deepEqual(settings, []);
      assert.equal(problems.length, names.length + 1, problems.join('\n'));
      assert.equal(({} as Record<string, unknown>)['a'], undefined);
    });

    it('complains about unknown keys, flags as keys, and lists where one value belongs', () => {
      const file = path.join(folder, 'b.yaml');
      writeFileSync(file, 'data-dir: x\nlisten: [a, b]\nconstructor: 1\nconfig: c.yaml\n');
      assert.deepEqual(fileLayer(file).problems, [
        `${file}:1: data-dir is no option. Did you mean dataDir?`,
        `${file}:2: listen takes one value, not a list.`,
        `${file}:3: constructor is no option.`,
        `${file}:4: config is no option.`,
      ]);
    });
  });
});
