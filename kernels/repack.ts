/**
 * From the file's rows of blocks (ggml's block structs) to panels of 16 rows (src/tensor/ops/layout.ts).
 * Everything moves as 32-bit words, four columns at a time: about two loads and stores for four bytes of a row.
 */
import { Held, Q4_0_BLOCK, Q4_K_BLOCK, Q6_K_BLOCK, Q8_0_BLOCK } from '../src/tensor/ops/layout-constants';
import { int, ptr } from './record';

const LOW: u32 = 0x0f0f0f0f;

/** [type, src, dst, rows, cols, rowBytes, panelBytes, panelsPerPiece] */
export function repack(op: usize, piece: i32, scratch: usize): void {
  const type = int(op, 0);
  const rows = int(op, 3);
  const cols = int(op, 4);
  const rowBytes = <usize>int(op, 5);
  const bytes = <usize>int(op, 6);
  const first = piece * int(op, 7);
  const end = min(first + int(op, 7), (rows + 15) >> 4);
  for (let panel = first; panel < end; panel++) {
    const dst = ptr(op, 2) + <usize>panel * bytes;
    const src = ptr(op, 1) + <usize>(panel << 4) * rowBytes;
    const count = min(16, rows - (panel << 4));
    if (count < 16) memory.fill(dst, 0, bytes);
    if (type == Held.q8_0) words(src, dst, count, rowBytes, cols >> 5, 34, Q8_0_BLOCK);
    else if (type == Held.q4_0) words(src, dst, count, rowBytes, cols >> 5, 18, Q4_0_BLOCK);
    else if (type == Held.q4_k) q4k(src, dst, count, rowBytes, cols >> 8);
    else q6k(src, dst, count, rowBytes, cols >> 8);
  }
}

/** q8_0 and q4_0: the words of a block in the file's order. */
function words(src: usize, dst: usize, rows: i32, rowBytes: usize, blocks: i32, from: usize, to: usize): void {
  for (let b = 0; b < blocks; b++) {
    for (let r = 0; r < rows; r++) {
      const s = src + <usize>r * rowBytes;
      store<u16>(dst + (<usize>r << 1), load<u16>(s));
      let d = dst + 32 + (<usize>r << 2);
      for (let j: usize = 2; j < from; j += 4) {
        store<u32>(d, load<u32>(s + j));
        d += 64;
      }
    }
    src += from;
    dst += to;
  }
}

function q4k(src: usize, dst: usize, rows: i32, rowBytes: usize, blocks: i32): void {
  for (let b = 0; b < blocks; b++) {
    for (let r = 0; r < rows; r++) {
      const s = src + <usize>r * rowBytes;
      store<u16>(dst + (<usize>r << 1), load<u16>(s));
      store<u16>(dst + 32 + (<usize>r << 1), load<u16>(s, 2));
      for (let sub: usize = 0; sub < 8; sub++) {
        const at = dst + 64 + sub * 288 + <usize>r;
        store<u8>(at, k4Scale(s + 4, sub));
        store<u8>(at, k4Min(s + 4, sub), 16);
      }
      // 32 bytes hold two sub-blocks, one in each half; a panel's word holds two runs of one sub-block.
      for (let pair: usize = 0; pair < 4; pair++) {
        const q = s + 16 + (pair << 5);
        let d = dst + 96 + pair * 576 + (<usize>r << 2);
        for (let j: usize = 0; j < 16; j += 4) {
          const a = load<u32>(q + j);
          const c = load<u32>(q + j, 16);
          store<u32>(d, (a & LOW) | ((c & LOW) << 4));
          store<u32>(d, ((a >> 4) & LOW) | (c & ~LOW), 288);
          d += 64;
        }
      }
    }
    src += 144;
    dst += Q4_K_BLOCK;
  }
}

/** The twelve bytes p hold eight 6-bit scales and minima; the last four of each are split in a low and a high part. */
// @ts-ignore: decorator
@inline
function k4Scale(p: usize, sub: usize): u32 {
  if (sub < 4) return <u32>load<u8>(p + sub) & 63;
  return (<u32>load<u8>(p + sub, 4) & 15) | ((<u32>load<u8>(p + sub - 4) >> 6) << 4);
}

// @ts-ignore: decorator
@inline
function k4Min(p: usize, sub: usize): u32 {
  if (sub < 4) return <u32>load<u8>(p + sub, 4) & 63;
  return (<u32>load<u8>(p + sub, 4) >> 4) | ((<u32>load<u8>(p + sub) >> 6) << 4);
}

function q6k(src: usize, dst: usize, rows: i32, rowBytes: usize, blocks: i32): void {
  for (let b = 0; b < blocks; b++) {
    for (let r = 0; r < rows; r++) {
      const s = src + <usize>r * rowBytes;
      store<u16>(dst + (<usize>r << 1), load<u16>(s, 208));
      for (let sub: usize = 0; sub < 16; sub++) {
        store<u8>(dst + 32 + (sub << 4) + <usize>r, load<u8>(s + sub, 192));
      }
      for (let block: usize = 0; block < 8; block++) {
        const run = <u32>(block & 3);
        const low = s + (block >> 2 << 6) + ((run & 1) << 5);
        const high = s + 128 + (block >> 2 << 5);
        const lowShift = run >> 1 << 2;
        const highShift = run << 1;
        const d = dst + 288 + block * 384 + (<usize>r << 2);
        for (let j: usize = 0; j < 4; j++) {
          const a = load<u32>(low + (j << 2)) >> lowShift;
          const c = load<u32>(low + (j << 2), 16) >> lowShift;
          store<u32>(d + (j << 6), (a & LOW) | ((c & LOW) << 4));
        }
        for (let h: usize = 0; h < 2; h++) {
          const q = high + (h << 3);
          const bits =
            ((load<u32>(q) >> highShift) & 0x03030303) |
            (((load<u32>(q, 16) >> highShift) & 0x03030303) << 2) |
            (((load<u32>(q, 4) >> highShift) & 0x03030303) << 4) |
            (((load<u32>(q, 20) >> highShift) & 0x03030303) << 6);
          store<u32>(d + 256 + (h << 6), bits);
        }
      }
    }
    src += 210;
    dst += Q6_K_BLOCK;
  }
}
