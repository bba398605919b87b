/** OpenBLAS's cblas_sgemm, from the system's library (Debian: libopenblas0-pthread), called through koffi. */
import koffi from 'koffi';
import type { Multiplier, ProductCase } from './product.js';
import { generator } from './random.js';

const [ROW_MAJOR, PLAIN, TRANSPOSED] = [101, 111, 112];
const NAMES = ['libopenblas.so.0', 'libopenblas.so', 'libopenblas.dylib'];

export function multiplier({ tokens, rows, cols }: ProductCase, threads: number): Multiplier {
  const library = load();
  library.func('void openblas_set_num_threads(int)')(threads);
  const core: string = library.func('const char *openblas_get_corename()')();
  const sgemm = library.func(
    'void cblas_sgemm(int, int, int, int, int, int, float, void *, int, void *, int, float, void *, int)',
  );
  const next = generator(1);
  const random = (length: number) => Float32Array.from({ length }, () => next() - 0.5);
  const [x, weights, y] = [random(tokens * cols), random(rows * cols), new Float32Array(tokens * rows)];
  const shape = [ROW_MAJOR, PLAIN, TRANSPOSED, tokens, rows, cols];
  return { copies: 1, note: core, run: () => sgemm(...shape, 1, x, cols, weights, cols, 0, y, rows) };
}

function load(): ReturnType<typeof koffi.load> {
  for (const name of NAMES) {
    try {
      return koffi.load(name);
    } catch {}
  }
  throw new Error('OpenBLAS is not installed (on Debian: apt-get install -y libopenblas0-pthread).');
}
