/**
 * What flows through a training step: float32 [rows, columns] in the arena, and the gradient of the loss with respect to
 * it once something has flowed back. A view shares memory and gradient with what it is a view of; the views of one value
 * cover it without overlap, so that together they make its whole gradient.
 */
export class Value {
  /** Where the gradient is; 0 until memory is set aside for it. */
  gradient = 0;
  /** Whether the gradient holds a sum that further ones must be added to. */
  hasGradient = false;

  constructor(
    readonly pointer: number,
    readonly rows: number,
    readonly columns: number,
    /** Whether any trained parameter lies upstream: otherwise nothing needs to flow back. */
    readonly needsGradient: boolean,
    readonly stride = columns,
    /** The columns are so many groups, each `period` elements after the one before. */
    readonly groups = 1,
    readonly period = columns / groups,
    private readonly base?: Value,
    /** Shares its gradient with this one, whose operation turns it into its own. */
    private readonly gradientOf?: Value,
  ) {}

  /** Floats from one row's gradient to the next. */
  get gradientStride(): number {
    return this.base || this.gradientOf ? (this.gradientOf ?? this).stride : this.columns;
  }

  /** Columns [from, from + columns), of each group of `period` columns if given. */
  slice(from: number, columns: number, period?: number): Value {
    const groups = period === undefined ? 1 : this.columns / period;
    const base = this.base ?? this;
    return new Value(
      this.pointer + 4 * from,
      this.rows,
      groups * columns,
      this.needsGradient,
      this.stride,
      groups,
      period,
      base,
    );
  }

  /** Some rows of a contiguous value, whose gradient is those rows of its gradient where that has a place. */
  rowsFrom(row: number, rows: number): Value {
    const part = new Value(this.pointer + 4 * row * this.columns, rows, this.columns, this.needsGradient);
    if (this.gradient !== 0) part.gradient = this.gradient + 4 * row * this.columns;
    return part;
  }

  /** Lets the gradient take the place of the values, which nobody reads on the way back any more. */
  giveWay(): void {
    if (this.gradient === 0 && !this.base && !this.gradientOf && this.stride === this.columns)
      this.gradient = this.pointer;
  }

  /** Sets memory aside for the gradient, with `alloc` unless it has some. */
  place(alloc: (bytes: number) => number): void {
    if (this.gradient !== 0) return;
    const { base, gradientOf } = this;
    if (gradientOf) {
      gradientOf.place(alloc);
      this.gradient = gradientOf.gradient;
      return;
    }
    if (!base) {
      this.gradient = alloc(4 * this.rows * this.columns);
      return;
    }
    base.place(alloc);
    base.hasGradient = true;
    this.gradient = base.gradient + (this.pointer - base.pointer);
  }
}
