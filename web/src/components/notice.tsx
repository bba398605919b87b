/** Says what happened and offers to undo it, until it is dismissed or something else happens. */
import { useEffect } from 'react';
import { useStrings } from '../i18n/use-strings.js';
import { useStore } from '../state/store.js';
import { notice } from '../state/view.js';
import { CloseIcon } from './icons.js';

const SHOWN_MS = 20_000;

export function Notice() {
  const strings = useStrings();
  const current = useStore(notice);
  useEffect(() => {
    if (!current) return;
    const timer = setTimeout(() => notice.set(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [current]);
  return (
    <div className="notice" role="status" data-empty={!current}>
      {current && (
        <>
          <p>{current.text}</p>
          {current.undo && (
            <button
              type="button"
              onClick={() => {
                current.undo?.();
                notice.set(undefined);
              }}
            >
              {strings.undo}
            </button>
          )}
          <button
            type="button"
            className="icon-button"
            aria-label={strings.close}
            onClick={() => notice.set(undefined)}
          >
            <CloseIcon />
          </button>
        </>
      )}
    </div>
  );
}
