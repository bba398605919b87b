/** A time to be done by, so that a quick run stays quick on a slow or busy machine: work that would not fit is left out. */
export class Deadline {
  private readonly end: number;

  constructor(ms: number) {
    this.end = performance.now() + ms;
  }

  /** Milliseconds left, never less than nothing. */
  get left(): number {
    return Math.max(0, this.end - performance.now());
  }

  /** The end of the next of `parts` equal parts of what is left, when `reserved` milliseconds are kept for later. */
  part(parts: number, reserved: number): Deadline {
    return new Deadline(Math.max(0, this.left - reserved) / parts);
  }
}
