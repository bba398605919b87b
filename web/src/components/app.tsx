/** The page: conversations on the left, the shown one on the right. */
import { useEffect, useRef } from 'react';
import { useLanguage, useStrings } from '../i18n/use-strings.js';
import { conversations } from '../state/library.js';
import { settings } from '../state/settings.js';
import { useStore } from '../state/store.js';
import { titleOf } from '../state/tree.js';
import { menuOpen, settingsOpen, shown } from '../state/view.js';
import { Announcer } from './announcer.js';
import { Composer } from './composer.js';
import { Header } from './header.js';
import { KeyForm } from './key-form.js';
import { Notice } from './notice.js';
import { SettingsDialog } from './settings-dialog.js';
import { Sidebar } from './sidebar.js';
import { Thread } from './thread.js';
import { useNarrow } from './use-narrow.js';
import { useShortcuts } from './use-shortcuts.js';

export function App() {
  const strings = useStrings();
  const language = useLanguage();
  const { theme } = useStore(settings);
  const id = useStore(shown);
  const conversation = useStore(conversations).find((one) => one.id === id);
  const title = conversation && titleOf(conversation);
  const scroller = useRef<HTMLDivElement>(null);
  const menu = useStore(menuOpen);
  const narrow = useNarrow();
  useShortcuts();

  useEffect(() => {
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
    document.title = title ? `${title} · ${strings.product}` : strings.product;
  }, [language, title, strings]);
  useEffect(() => {
    const root = document.documentElement;
    if (theme === 'auto') delete root.dataset.theme;
    else root.dataset.theme = theme;
  }, [theme]);

  return (
    <div className="page">
      <button type="button" className="skip" onClick={() => document.getElementById('message')?.focus()}>
        {strings.skip}
      </button>
      <Sidebar hidden={narrow && !menu} />
      {narrow && menu && <div className="shade" aria-hidden="true" onClick={() => menuOpen.set(false)} />}
      <div className="content" inert={narrow && menu}>
        <Header conversation={conversation} />
        <main className="scroller" ref={scroller}>
          <Thread key={id ?? 'new'} conversation={conversation} scroller={scroller} />
        </main>
        <footer className="foot">
          <KeyForm />
          <Composer key={id ?? 'new'} conversation={conversation} />
        </footer>
      </div>
      <Notice />
      {useStore(settingsOpen) && <SettingsDialog />}
      <Announcer conversation={conversation} />
    </div>
  );
}
