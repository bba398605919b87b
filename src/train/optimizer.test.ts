import { afterAll, describe, expect, it } from 'vitest';
import { random } from '../../test/sequence-cases.js';
import { Team } from '../tensor/team.js';
import { Muon } from './muon.js';
import { AdamW, type Optimizer, STATE_BYTES } from './optimizer.js';
import { measureOptimizer } from './predict.js';
import type { Parameter, Trainable } from './trainable.js';

const teams: Team[] = [];
afterAll(() => {
  for (const team of teams) team[Symbol.dispose]();
});

const SETTINGS = { betas: [0.9, 0.95] as const, epsilon: 1e-8, weightDecay: 0.1 };

/** Parameters with values and gradients and nothing else of a model. */
function parametersOnly(shapes: readonly [Parameter['kind'], ...number[]][]) {
  const team = new Team([16 << 20], { threads: 1 });
  teams.push(team);
  const [arena] = team.arenas;
  const parameters = shapes.map(([kind, ...shape], i): Parameter => {
    const n = shape.reduce((a, b) => a * b, 1);
    const [pointer, gradient] = [arena.put(random(n, i)), arena.alloc(4 * n)];
    return { name: `p${i}`, shape, kind, n, pointer, gradient, state: arena.alloc(STATE_BYTES * n) };
  });
  const model = { arena, parameters, run: () => team.run(arena) } as unknown as Trainable;
  const setGradients = (seed: number) => {
    for (const [i, { gradient, n }] of parameters.entries()) arena.write(gradient, random(n, seed + i));
  };
  const values = (i: number) => arena.floats(parameters[i].pointer, parameters[i].n).slice();
  return { model, setGradients, values };
}

const STEP = { step: 1, learningRate: 0.01, gradScale: 1 };

describe('AdamW', () => {
  it('decays matrices and leaves embeddings and vectors alone', () => {
    const { model, values } = parametersOnly([
      ['matrix', 3, 5],
      ['embedding', 4, 5],
      ['vector', 7],
    ]);
    const before = [0, 1, 2].map(values);
    // Without gradients only the decay is left.
    new AdamW(model, SETTINGS).step(STEP);
    values(0).forEach((w, i) => {
      expect(w).toBeCloseTo(before[0][i] * (1 - 0.01 * 0.1), 6);
    });
    expect(values(1)).toEqual(before[1]);
    expect(values(2)).toEqual(before[2]);
  });
});

type Matrix = number[][];
const multiply = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0].map((_, j) => row.reduce((sum, x, k) => sum + x * b[k][j], 0)));
const transpose = (a: Matrix): Matrix => a[0].map((_, j) => a.map((row) => row[j]));
const combine = (a: Matrix, x: number, b: Matrix, y: number): Matrix =>
  a.map((row, i) => row.map((value, j) => x * value + y * b[i][j]));
const toMatrix = (flat: ArrayLike<number>, rows: number): Matrix =>
  Array.from({ length: rows }, (_, i) =>
    Array.from(flat).slice((i * flat.length) / rows, ((i + 1) * flat.length) / rows),
  );

/** The iteration as it is written down, in float64 and always from the left. */
function orthogonalised(m: Matrix): Matrix {
  if (m.length > m[0].length) return transpose(orthogonalised(transpose(m)));
  const norm = Math.sqrt(m.flat().reduce((sum, x) => sum + x * x, 0));
  let x = m.map((row) => row.map((value) => value / norm));
  for (let i = 0; i < 5; i++) {
    const gram = multiply(x, transpose(x));
    x = combine(x, 3.4445, multiply(combine(gram, -4.775, multiply(gram, gram), 2.0315), x), 1);
  }
  return x;
}

describe('Muon', () => {
  it.each([
    [6, 20],
    [24, 8],
    [5, 5],
  ])('moves a %i × %i matrix along its orthogonalised momentum', (rows, cols) => {
    const { model, setGradients, values } = parametersOnly([['matrix', rows, cols]]);
    let weights = toMatrix(values(0), rows);
    let momentum = weights.map((row) => row.map(() => 0));
    const muon = new Muon(model, SETTINGS);
    for (const step of [1, 2]) {
      setGradients(10 * step);
      const gradient = toMatrix(random(rows * cols, 10 * step), rows);
      muon.step({ step, learningRate: 0.02, gradScale: 0.5 });
      momentum = combine(momentum, 0.95, gradient, 0.5);
      const update = orthogonalised(combine(momentum, 0.95, gradient, 0.5));
      weights = combine(weights, 1 - 0.02 * 0.1, update, -0.02 * 0.2 * Math.sqrt(Math.max(rows, cols)));
      const expected = weights.flat();
      values(0).forEach((w, i) => {
        expect(w).toBeCloseTo(expected[i], 4);
      });
    }
  });

  it('can be timed without learning anything', () => {
    const shapes: [Parameter['kind'], ...number[]][] = [
      ['matrix', 6, 10],
      ['vector', 9],
    ];
    const { model, values } = parametersOnly(shapes);
    const before = [values(0), values(1)];
    expect(measureOptimizer({ ...model, zeroGrad: () => {} }, new Muon(model, SETTINGS))).toBeGreaterThan(0);
    expect([values(0), values(1)]).toEqual(before);
    for (const { state, n } of model.parameters) {
      expect(model.arena.floats(state, 2 * n).every((value) => value === 0)).toBe(true);
    }
  });

  it('leaves embeddings, vectors and experts to AdamW', () => {
    const shapes: [Parameter['kind'], ...number[]][] = [
      ['embedding', 6, 4],
      ['vector', 9],
      ['matrix', 2, 3, 4],
    ];
    const [one, other] = [parametersOnly(shapes), parametersOnly(shapes)];
    const optimizers: Optimizer[] = [new Muon(one.model, SETTINGS), new AdamW(other.model, SETTINGS)];
    for (const [i, { setGradients }] of [one, other].entries()) {
      setGradients(5);
      optimizers[i].step(STEP);
    }
    for (const i of [0, 1, 2]) expect(one.values(i)).toEqual(other.values(i));
  });
});
