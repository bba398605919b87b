/** What went wrong, what to do about it, and a button that does it. */
import { useEffect, useState } from 'react';
import { useStrings } from '../i18n/use-strings.js';
import type { Failure } from '../state/types.js';

export function FailureNote({ failure, retry }: { failure: Failure; retry: () => void }) {
  const strings = useStrings();
  const left = useCountdown(failure.retryAfter ?? 0);
  return (
    <div className="failure" role="alert">
      <p>{strings.failures[failure.kind]}</p>
      {failure.detail && (
        <p className="detail">
          {strings.serverSays} {failure.detail}
        </p>
      )}
      <button type="button" onClick={retry} disabled={left > 0}>
        {left > 0 ? strings.retryIn(left) : strings.retry}
      </button>
    </div>
  );
}

/** Seconds that are left of `from`. */
function useCountdown(from: number): number {
  const [left, setLeft] = useState(from);
  useEffect(() => {
    if (left <= 0) return;
    const timer = setTimeout(() => setLeft(left - 1), 1000);
    return () => clearTimeout(timer);
  }, [left]);
  return left;
}
