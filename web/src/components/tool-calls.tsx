/** The tools a model called, what it gave them, and what came back. */
import { parse } from '../api/json.js';
import { useStrings } from '../i18n/use-strings.js';
import type { Message, ToolCall } from '../state/types.js';

interface Props {
  calls: readonly ToolCall[];
  message: Message;
  path: readonly Message[];
}

export function ToolCalls({ calls, message, path }: Props) {
  const strings = useStrings();
  const results = resultsOf(message, path);
  return (
    <ul className="calls" aria-label={strings.calls}>
      {calls.map((call, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: an id may still be on its way
        <li key={index}>
          <p>
            <span className="verb">{strings.calls}</span> <code className="called">{call.name}</code>
          </p>
          <Arguments source={call.arguments} />
          {results.has(call.id) ? (
            <p className="result">
              <span className="verb">{strings.result}</span> <output>{results.get(call.id)}</output>
            </p>
          ) : (
            message.state === 'done' && <p className="remark">{strings.callNotRun}</p>
          )}
        </li>
      ))}
    </ul>
  );
}

function Arguments({ source }: { source: string }) {
  const value = parse(source);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return source && <pre className="arguments">{source}</pre>;
  }
  return (
    <dl className="arguments">
      {Object.entries(value).map(([name, given]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{typeof given === 'string' ? given : JSON.stringify(given, null, 1)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** By call; they follow the message that called. */
function resultsOf(message: Message, path: readonly Message[]): Map<string, string> {
  const results = new Map<string, string>();
  for (let at = path.indexOf(message) + 1; at < path.length && path[at].role === 'tool'; at++) {
    const { toolCallId, content } = path[at];
    if (toolCallId !== undefined) results.set(toolCallId, content);
  }
  return results;
}
