/** `kaiwen key`: a new API key, as an entry for the file that `kaiwen serve --keys` reads. */
import { Command } from 'commander';
import { hashSecret, newSecret } from '../server/keys.js';

const EXAMPLES = `
Examples:
  kaiwen key shop >> keys.yaml
  kaiwen serve model.gguf --keys keys.yaml

The secret is shown once, on standard error: the file holds only its SHA-256. Limits are added by hand;
docs/serving.md lists them.`;

export function keyCommand(): Command {
  return new Command('key')
    .description('Make an API key: its entry for a file of keys goes to standard output, its secret to standard error.')
    .argument('<id>', 'name of the key in logs and limits: letters, digits, dots, dashes, underscores or @')
    .addHelpText('after', EXAMPLES)
    .action((id: string, _flags, command: Command) => {
      if (!/^[\w.@-]{1,64}$/.test(id)) command.error('The id must have 1 to 64 letters, digits or any of ._@-');
      const secret = newSecret();
      process.stdout.write(
        `- id: ${JSON.stringify(id)}\n  sha256: ${Buffer.from(hashSecret(secret)).toString('hex')}\n`,
      );
      process.stderr.write(`The secret of ${id}, shown only now: ${secret}\n`);
    });
}
