/** How the chat page becomes static files: relative addresses, so that it also works behind a path of a proxy. */
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  plugins: [react()],
  build: {
    outDir: fileURLToPath(new URL('../dist/web', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    // A data: address would be outside the content security policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
  // `npx vite web` develops the page against a server that runs beside it.
  server: { proxy: { '/v1': 'http://127.0.0.1:8080' } },
});
