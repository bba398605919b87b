/** The shown conversation's name, and who answers it. */
import { useStrings } from '../i18n/use-strings.js';
import { change } from '../state/library.js';
import { modelOf, served } from '../state/models.js';
import { changeSettings, settings } from '../state/settings.js';
import { useStore } from '../state/store.js';
import { titleOf } from '../state/tree.js';
import type { Conversation } from '../state/types.js';
import { menuOpen, settingsOpen } from '../state/view.js';
import { MenuIcon, SlidersIcon } from './icons.js';
import { useNarrow } from './use-narrow.js';

export function Header({ conversation }: { conversation: Conversation | undefined }) {
  const strings = useStrings();
  const narrow = useNarrow();
  const open = useStore(menuOpen);
  return (
    <header className="head">
      {narrow && (
        <button
          type="button"
          className="icon-button"
          aria-label={strings.openMenu}
          title={strings.openMenu}
          aria-expanded={open}
          onClick={() => menuOpen.set(true)}
        >
          <MenuIcon />
        </button>
      )}
      <h1>{conversation ? titleOf(conversation) || strings.untitled : strings.untitled}</h1>
      <ModelChoice conversation={conversation} />
      <button
        type="button"
        className="icon-button"
        aria-label={strings.settings}
        title={strings.settings}
        onClick={() => settingsOpen.set(true)}
      >
        <SlidersIcon />
      </button>
    </header>
  );
}

function ModelChoice({ conversation }: { conversation: Conversation | undefined }) {
  const strings = useStrings();
  const { models, loading } = useStore(served);
  useStore(settings);
  if (models.length === 0) return <p className="no-model">{loading ? strings.loading : strings.noModel}</p>;
  const choose = (model: string): void => {
    changeSettings({ model });
    if (conversation) change(conversation.id, (now) => ({ ...now, model }));
  };
  return (
    <select
      className="model"
      aria-label={strings.model}
      title={strings.model}
      value={modelOf(conversation)}
      onChange={(event) => choose(event.target.value)}
    >
      {models.map(({ id }) => (
        <option key={id} value={id}>
          {id}
        </option>
      ))}
    </select>
  );
}
