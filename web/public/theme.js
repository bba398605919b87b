// Before the first paint: a chosen theme must not flash the other one.
try {
  const { theme } = JSON.parse(localStorage.getItem('kaiwen.settings') ?? '{}');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // No storage, or not ours: the system's theme it is.
}
