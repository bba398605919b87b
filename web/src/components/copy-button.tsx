/** Copies a text and says so. */
import { useEffect, useState } from 'react';
import { useStrings } from '../i18n/use-strings.js';
import { CheckIcon, CopyIcon } from './icons.js';

export function CopyButton({ text, label }: { text: string; label: string }) {
  const strings = useStrings();
  const [outcome, setOutcome] = useState<'copied' | 'failed'>();
  useEffect(() => {
    if (!outcome) return;
    const timer = setTimeout(() => setOutcome(undefined), 2000);
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = async (): Promise<void> => setOutcome((await copyText(text)) ? 'copied' : 'failed');
  const said = outcome === 'copied' ? strings.copied : outcome === 'failed' ? strings.copyFailed : undefined;
  return (
    <button type="button" className="quiet" onClick={() => void copy()} aria-label={label} title={label}>
      {outcome === 'copied' ? <CheckIcon /> : <CopyIcon />}
      <span className="said" role="status">
        {said}
      </span>
    </button>
  );
}

/** The clipboard is there only on https and localhost; elsewhere a selection and the old command do. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.setAttribute('readonly', '');
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return done;
  }
}
