/** A number or nothing. What is not one yet is shown as wrong and changes nothing. */
import { useId, useState } from 'react';
import { useStrings } from '../i18n/use-strings.js';

interface Props {
  label: string;
  hint: string;
  low: number;
  high: number;
  whole: boolean;
  value: number | undefined;
  onChange: (value: number | undefined) => void;
}

export function NumberField({ label, hint, low, high, whole, value, onChange }: Props) {
  const strings = useStrings();
  const id = useId();
  const [wrong, setWrong] = useState<string>();
  const shown = wrong ?? (value === undefined ? '' : String(value));
  const read = (source: string): void => {
    const text = source.trim();
    const number = Number(text);
    const right = text === '' || (number >= low && number <= high && (!whole || Number.isInteger(number)));
    setWrong(right && !/[.。]$/.test(text) ? undefined : source);
    if (right) onChange(text === '' ? undefined : number);
  };
  const bad = wrong !== undefined && !/^\d+\.$/.test(wrong);
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        inputMode={whole ? 'numeric' : 'decimal'}
        autoComplete="off"
        value={shown}
        aria-invalid={bad}
        aria-describedby={`${id}-hint`}
        onChange={(event) => read(event.target.value)}
        onBlur={() => setWrong(undefined)}
      />
      <p id={`${id}-hint`} className="field-hint">
        {bad ? strings.invalid(low, high) : hint}
      </p>
    </div>
  );
}
