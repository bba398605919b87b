/** Asks for an API key where the server does. */
import { useState } from 'react';
import { useStrings } from '../i18n/use-strings.js';
import { refreshModels, served } from '../state/models.js';
import { apiKey, setApiKey } from '../state/settings.js';
import { useStore } from '../state/store.js';
import { FailureNote } from './failure-note.js';

export function KeyForm() {
  const strings = useStrings();
  const { failure, loading } = useStore(served);
  const [key, setKey] = useState('');
  if (!failure) return null;
  if (failure.kind !== 'key') {
    return loading ? null : <FailureNote failure={failure} retry={() => void refreshModels()} />;
  }
  return (
    <form
      className="key"
      onSubmit={(event) => {
        event.preventDefault();
        setApiKey(key.trim());
        void refreshModels();
      }}
    >
      <label htmlFor="api-key">{strings.keyTitle}</label>
      <p id="key-why">{apiKey.get() ? strings.keyWrong : strings.keyWhy}</p>
      <input
        id="api-key"
        type="password"
        autoComplete="off"
        spellCheck={false}
        aria-describedby="key-why"
        value={key}
        onChange={(event) => setKey(event.target.value)}
      />
      <button type="submit" className="primary" disabled={!key.trim() || loading}>
        {strings.keySave}
      </button>
    </form>
  );
}
