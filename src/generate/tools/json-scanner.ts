/** Finds where a JSON value ends, character by character; whether it is good JSON is for others to say. */
export type Step =
  /** The character belongs to the value. */
  | 'in'
  /** It is the value's last. */
  | 'last'
  /** The value, a number or a word, ended before it. */
  | 'after'
  /** It can belong to no value. */
  | 'bad';

export class JsonScanner {
  #depth = 0;
  #string = false;
  #escaped = false;
  #word = false;

  /** The next character stands inside a string. */
  get inString(): boolean {
    return this.#string;
  }

  take(char: string): Step {
    if (this.#string) {
      if (this.#escaped) this.#escaped = false;
      else if (char === '\\') this.#escaped = true;
      else if (char === '"') {
        this.#string = false;
        if (this.#depth === 0) return 'last';
      }
      return 'in';
    }
    if (this.#word && !/[\w+.-]/.test(char)) return 'after';
    if (char === '"') this.#string = true;
    else if (char === '{' || char === '[') this.#depth++;
    else if (char === '}' || char === ']') {
      if (this.#depth === 0) return 'bad';
      if (--this.#depth === 0) return 'last';
    } else if (this.#depth === 0) {
      if (!/[\w+.-]/.test(char)) return 'bad';
      this.#word = true;
    } else if (!/[\s\w+.,:-]/.test(char)) return 'bad';
    return 'in';
  }
}
