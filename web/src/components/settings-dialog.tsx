/** Everything that can be chosen, in one dialog over the page. */
import { type ReactNode, useEffect, useId, useRef } from 'react';
import { LANGUAGES } from '../i18n/strings.js';
import { useStrings } from '../i18n/use-strings.js';
import { changeSettings, DEFAULTS, settings } from '../state/settings.js';
import { useStore } from '../state/store.js';
import type { Sampling } from '../state/types.js';
import { settingsOpen } from '../state/view.js';
import { CloseIcon } from './icons.js';
import { NumberField } from './number-field.js';
import { KEYS } from './use-shortcuts.js';

const ANY = Number.MAX_SAFE_INTEGER;

export function SettingsDialog() {
  const strings = useStrings();
  const { sampling, theme, language, calculator } = useStore(settings);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const close = (): void => settingsOpen.set(false);
  const sample = (change: Partial<Sampling>): void => changeSettings({ sampling: { ...sampling, ...change } });
  const numbers = (
    [
      ['thinkingBudget', strings.thinkingBudget, strings.thinkingBudgetHint, 0, ANY, true],
      ['temperature', strings.temperature, strings.temperatureHint, 0, 2, false],
      ['topP', strings.topP, strings.topPHint, 0, 1, false],
      ['topK', strings.topK, strings.topKHint, 0, ANY, true],
      ['maxTokens', strings.maxTokens, strings.maxTokensHint, 1, ANY, true],
      ['seed', strings.seed, strings.seedHint, 0, ANY, true],
    ] as const
  ).map(([name, label, hint, low, high, whole]) => (
    <NumberField
      key={name}
      {...{ label, hint, low, high, whole }}
      value={sampling[name]}
      onChange={(value) => sample({ [name]: value })}
    />
  ));
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog by itself
    <dialog
      ref={dialog}
      className="settings"
      aria-labelledby="settings-title"
      onClose={close}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}
    >
      <div className="sheet">
        <div className="row title">
          <h2 id="settings-title">{strings.settings}</h2>
          <button
            type="button"
            className="icon-button"
            aria-label={strings.close}
            onClick={() => dialog.current?.close()}
          >
            <CloseIcon />
          </button>
        </div>
        <Group title={strings.appearance}>
          <Choice
            label={strings.theme}
            value={theme}
            options={{ auto: strings.themeAuto, light: strings.themeLight, dark: strings.themeDark }}
            onChange={(value) => changeSettings({ theme: value })}
          />
          <Choice
            label={strings.languageLabel}
            value={language}
            options={{ auto: strings.languageAuto, en: LANGUAGES.en.language, zh: LANGUAGES.zh.language }}
            onChange={(value) => changeSettings({ language: value })}
          />
        </Group>
        <Group title={strings.sampling} hint={strings.samplingHint}>
          <Choice
            label={strings.thinkingLabel}
            value={sampling.thinking === undefined ? 'auto' : sampling.thinking ? 'on' : 'off'}
            options={{ auto: strings.thinkingAuto, on: strings.thinkingOn, off: strings.thinkingOff }}
            onChange={(value) => sample({ thinking: value === 'auto' ? undefined : value === 'on' })}
          />
          {numbers}
          <button type="button" className="reset" onClick={() => changeSettings({ sampling: DEFAULTS.sampling })}>
            {strings.reset}
          </button>
        </Group>
        <Group title={strings.tools}>
          <label className="check">
            <input
              type="checkbox"
              checked={calculator}
              onChange={(event) => changeSettings({ calculator: event.target.checked })}
              aria-describedby="calculator-hint"
            />
            {strings.calculator}
          </label>
          <p id="calculator-hint" className="field-hint">
            {strings.calculatorHint}
          </p>
        </Group>
        <Group title={strings.shortcuts}>
          <dl className="keys">
            {Object.entries(KEYS).map(([name, keys]) => (
              <div key={name}>
                <dt>{strings.shortcutList[name as keyof typeof KEYS]}</dt>
                <dd>
                  {keys.map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dd>
              </div>
            ))}
          </dl>
        </Group>
      </div>
    </dialog>
  );
}

function Group({ title, hint, children }: { title: string; hint?: string; children: ReactNode }) {
  return (
    <section className="group">
      <h3>{title}</h3>
      {hint && <p className="field-hint">{hint}</p>}
      {children}
    </section>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: Readonly<Record<T, string>>;
  onChange: (value: T) => void;
}

function Choice<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  const id = useId();
  const names = Object.keys(options) as T[];
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        value={value}
        onChange={(event) => {
          const chosen = names.find((name) => name === event.target.value);
          if (chosen) onChange(chosen);
        }}
      >
        {names.map((name) => (
          <option key={name} value={name}>
            {options[name]}
          </option>
        ))}
      </select>
    </div>
  );
}
