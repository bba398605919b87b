import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeError } from '../errors.js';
import { newSecret, singleKey } from './keys.js';
import { KeyFile, parseKeys } from './keys-file.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-keys-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('a file of keys', () => {
  it('knows plain secrets and hashed ones, with what their holders may do', () => {
    const file = join(folder, 'keys.yaml');
    writeFileSync(
      file,
      `- id: shop\n  name: The shop\n  secret: open-sesame\n  models: [mini]\n  limits:\n    requests_per_minute: 60\n    tokens_per_day: 1000\n- id: lab\n  sha256: ${sha256('another-word')}\n`,
    );
    using keys = new KeyFile(file, () => {});
    expect(keys.check('open-sesame')).toMatchObject({
      id: 'shop',
      models: ['mini'],
      limits: { requestsPerMinute: 60, tokensPerDay: 1000 },
    });
    expect(keys.check('another-word')).toMatchObject({ id: 'lab', limits: {} });
    for (const wrong of ['', 'open-sesam', 'open-sesame ', sha256('another-word'), '__proto__']) {
      expect(keys.check(wrong)).toBeUndefined();
    }
  });

  it('takes changes when asked, and keeps what it has when they are wrong', () => {
    const file = join(folder, 'changing.yaml');
    const said: string[] = [];
    writeFileSync(file, '- { id: a, secret: first-secret }');
    using keys = new KeyFile(file, (message) => said.push(message));
    writeFileSync(file, '- { id: a, secret: second-secret }');
    keys.reload();
    expect(keys.check('first-secret')).toBeUndefined();
    expect(keys.check('second-secret')?.id).toBe('a');
    writeFileSync(file, '- { id: a, secret: third-secret, limit: {} }');
    keys.reload();
    expect(keys.check('second-secret')?.id).toBe('a');
    rmSync(file);
    keys.reload();
    expect(keys.check('second-secret')?.id).toBe('a');
    expect(said[0]).toContain('1 keys');
    expect(said[1]).toContain('did you mean limits?');
    expect(said[2]).toContain('no such file');
    expect(said.join()).not.toContain('secret:');
  });

  it.each([
    ['- id: a\n  secret: 12345678', 'keys.yaml:2: 0.secret: must be a text.'],
    ['- id: a\n  secret: short', 'keys.yaml:2: 0.secret: must have at least 8 characters.'],
    ['- id: a\n  secret: has a space in it', 'keys.yaml:2: 0.secret: must be printable ASCII without spaces.'],
    ['- id: a b\n  secret: 12345678x', 'keys.yaml:1: 0.id: must have 1 to 64 letters'],
    ['- id: a', 'keys.yaml:1: 0: needs either secret or sha256.'],
    [
      '- id: a\n  secret: 12345678x\n  limits:\n    concurrency: 0',
      'keys.yaml:4: 0.limits.concurrency: must be at least 1.',
    ],
    ['- id: a\n  sha256: abc', 'keys.yaml:2: 0.sha256: must be the 64 hexadecimal digits'],
    ['- { id: a, secret: aaaaaaaa }\n- { id: a, secret: bbbbbbbb }', 'keys.yaml:2: 1: has the id of another key.'],
    [`- { id: a, secret: aaaaaaaa }\n- { id: b, sha256: ${sha256('aaaaaaaa')} }`, '1: has the secret of another key.'],
    ['id: a', 'keys.yaml: must be a list.'],
    ['- [', 'keys.yaml:1'],
  ])('refuses %j', (text, message) => {
    try {
      parseKeys('keys.yaml', text);
    } catch (error) {
      expect(describeError(error)).toContain(message);
      return;
    }
    throw new Error('It was accepted.');
  });
});

it('makes secrets that a server accepts', () => {
  const secret = newSecret();
  expect(singleKey(secret).check(secret)?.id).toBe('default');
  expect(singleKey(secret).check(newSecret())).toBeUndefined();
});
