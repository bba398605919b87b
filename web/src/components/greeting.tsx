/** What a conversation looks like before it begins. */
import { useStrings } from '../i18n/use-strings.js';
import { newConversation, send } from '../state/chat.js';
import { draftSystem, show } from '../state/view.js';

export function Greeting() {
  const strings = useStrings();
  return (
    <div className="greeting">
      <p className="big">{strings.greeting}</p>
      <p>{strings.greetingMore}</p>
      <ul aria-label={strings.examples}>
        {strings.exampleQuestions.map((question) => (
          <li key={question}>
            <button type="button" onClick={() => begin(question)}>
              {question}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** The first question of a new conversation. */
export function begin(question: string): void {
  const conversation = newConversation(draftSystem.get());
  draftSystem.set('');
  send(conversation, question);
  show(conversation.id);
  requestAnimationFrame(() => document.getElementById('message')?.focus());
}
