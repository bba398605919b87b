/** Where the page begins. */
import { createRoot } from 'react-dom/client';
import { App } from './components/app.js';
import { openLibrary } from './state/library.js';
import { refreshModels } from './state/models.js';
import { watchViewport } from './viewport.js';
import './styles/base.css';
import './styles/layout.css';
import './styles/sidebar.css';
import './styles/thread.css';
import './styles/prose.css';
import './styles/composer.css';
import './styles/dialog.css';

watchViewport();
void refreshModels();
await openLibrary();
createRoot(document.getElementById('root')!).render(<App />);
