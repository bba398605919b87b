/** All conversations: new, search, the list by age, export and import. */
import { useDeferredValue, useRef, useState } from 'react';
import type { Strings } from '../i18n/strings.js';
import { useStrings } from '../i18n/use-strings.js';
import { conversations, durable, search } from '../state/library.js';
import { useStore } from '../state/store.js';
import { exportJson, importJson } from '../state/transfer.js';
import type { Conversation } from '../state/types.js';
import { addImported, menuOpen, notice, show, shown } from '../state/view.js';
import { ConversationItem } from './conversation-item.js';
import { CloseIcon, PlusIcon, SearchIcon } from './icons.js';

export function Sidebar({ hidden }: { hidden: boolean }) {
  const strings = useStrings();
  const all = useStore(conversations);
  const current = useStore(shown);
  const [query, setQuery] = useState('');
  const found = search(all, useDeferredValue(query));
  return (
    <nav className="sidebar" aria-label={strings.menu} inert={hidden} data-hidden={hidden}>
      <div className="brand">
        <Brand />
        <button
          type="button"
          className="icon-button close-menu"
          aria-label={strings.closeMenu}
          title={strings.closeMenu}
          onClick={() => menuOpen.set(false)}
        >
          <CloseIcon />
        </button>
      </div>
      <button type="button" className="new" onClick={startNew}>
        <PlusIcon />
        {strings.newChat}
      </button>
      <search className="search">
        <SearchIcon />
        <input
          id="search"
          type="search"
          aria-label={strings.search}
          placeholder={strings.search}
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
      </search>
      <div className="list">
        {groups(found, strings).map(([name, members]) => (
          <section key={name} aria-label={name}>
            <h2>{name}</h2>
            <ul>
              {members.map((conversation) => (
                <ConversationItem
                  key={conversation.id}
                  conversation={conversation}
                  current={conversation.id === current}
                />
              ))}
            </ul>
          </section>
        ))}
        {found.length === 0 && <p className="none">{all.length > 0 ? strings.noneFound : strings.noneYet}</p>}
      </div>
      {!useStore(durable) && <p className="warning">{strings.notDurable}</p>}
      <Transfer all={all} />
    </nav>
  );
}

function startNew(): void {
  show(undefined);
  requestAnimationFrame(() => document.getElementById('message')?.focus());
}

/** A seal: an open angle, for an open question. */
function Brand() {
  return (
    <p className="name">
      <svg className="seal" viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="7" />
        <path d="M10 7v18M22 7l-9 9 9 9" />
      </svg>
      <span>Kaiwen</span> <span lang="zh-CN">开问</span>
    </p>
  );
}

function Transfer({ all }: { all: readonly Conversation[] }) {
  const strings = useStrings();
  const input = useRef<HTMLInputElement>(null);
  const read = async (file: File | undefined): Promise<void> => {
    const imported = file && importJson(await file.text());
    if (imported) addImported(imported);
    notice.set({ text: imported ? strings.imported(imported.length) : strings.importFailed });
  };
  return (
    <div className="transfer">
      <button type="button" disabled={all.length === 0} onClick={() => download(exportJson(all))}>
        {strings.exportAll}
      </button>
      <button type="button" onClick={() => input.current?.click()}>
        {strings.importFile}
      </button>
      <input
        ref={input}
        type="file"
        accept="application/json,.json"
        hidden
        onChange={(event) => {
          void read(event.target.files?.[0]);
          event.target.value = '';
        }}
      />
    </div>
  );
}

function download(json: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([json], { type: 'application/json' }));
  link.download = `kaiwen-${new Date().toISOString().slice(0, 10)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const DAY_MS = 86_400_000;

/** By the day they were last spoken in. */
function groups(all: readonly Conversation[], strings: Strings): [string, Conversation[]][] {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const name = (updated: number): string => {
    if (updated >= midnight) return strings.today;
    if (updated >= midnight - DAY_MS) return strings.yesterday;
    return updated >= midnight - 7 * DAY_MS ? strings.week : strings.earlier;
  };
  const named = new Map<string, Conversation[]>();
  for (const conversation of all) {
    const key = name(conversation.updated);
    named.set(key, [...(named.get(key) ?? []), conversation]);
  }
  return [...named];
}
