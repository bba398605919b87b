import { describe, expect, it } from 'vitest';
import { type Recipe, Tensor } from './tensor.js';

/** A pending tensor, and what was recorded for it. */
function pending(more: Partial<Recipe> = {}): { tensor: Tensor; recorded: string[] } {
  const recorded: string[] = [];
  const record = (form: string, address: number) => {
    recorded.push(form);
    return address;
  };
  const tensor = Tensor.pending(2, 64, {
    floats: () => record('floats', 1000),
    quantized: (bits) => record(`blocks of ${bits}`, 2000 + bits),
    ...more,
  });
  return { tensor, recorded };
}

const never = () => {
  throw new Error('not from floats');
};

describe('a pending tensor', () => {
  it('is made in the form that its readers want, once', () => {
    const { tensor, recorded } = pending();
    expect(tensor.quantized(8, never)).toBe(2008);
    expect(tensor.quantized(8, never)).toBe(2008);
    expect(tensor.quantized(16, never)).toBe(2016);
    expect(tensor.pointer).toBe(1000);
    expect(tensor.pointer).toBe(1000);
    expect(recorded).toEqual(['blocks of 8', 'blocks of 16', 'floats']);
  });

  it('is quantised from its floats where these exist, or where its operation cannot do more', () => {
    const { tensor, recorded } = pending();
    expect(tensor.pointer).toBe(1000);
    expect(tensor.quantized(8, (floats) => floats + 1)).toBe(1001);
    const plain = pending({ quantized: undefined });
    expect(plain.tensor.quantized(8, (floats) => floats + 1)).toBe(1001);
    expect([...recorded, ...plain.recorded]).toEqual(['floats', 'floats']);
  });

  it('is made before what it reads from changes, unless its reader has computed it', () => {
    const unread = pending();
    unread.tensor.settle();
    expect(unread.recorded).toEqual(['floats']);
    expect(unread.tensor.pointer).toBe(1000);

    const read = pending();
    read.tensor.quantized(8, never);
    read.tensor.settle();
    expect(read.recorded).toEqual(['blocks of 8']);
    expect(read.tensor.quantized(8, never)).toBe(2008);
    expect(() => read.tensor.pointer).toThrow(/after its source changed/);

    const headNorm = { source: unread.tensor, heads: 4, weight: 1, eps: 0, weightOffset: 0 };
    const taken = pending({ headNorm });
    expect(taken.tensor.takeHeadNorm(1)).toBeUndefined();
    expect(taken.tensor.takeHeadNorm(4)).toBe(headNorm);
    taken.tensor.settle();
    expect(taken.recorded).toEqual([]);
  });

  it('keeps its norm when somebody has read it', () => {
    const { tensor } = pending({
      headNorm: { source: new Tensor(8, 1, 1), heads: 4, weight: 1, eps: 0, weightOffset: 0 },
    });
    expect(tensor.pointer).toBe(1000);
    expect(tensor.takeHeadNorm(4)).toBeUndefined();
  });
});
