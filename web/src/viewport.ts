/** The height that a phone's soft keyboard leaves, as `--height`; browsers that shrink the page themselves need none of it. */
export function watchViewport(): void {
  const viewport = window.visualViewport;
  if (!viewport) return;
  const resize = (): void => {
    // A pinch zoom also changes the visual viewport, and must not squeeze the page.
    if (viewport.scale > 1.01) return;
    document.documentElement.style.setProperty('--height', `${Math.round(viewport.height)}px`);
  };
  viewport.addEventListener('resize', resize);
  resize();
}
