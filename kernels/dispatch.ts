/** From an opcode to its kernel. */
import { Op } from '../src/tensor/opcodes';
import { attention } from './attention';
import { attentionCombine } from './attention-decode';
import { attentionTrain, attentionTrainPack } from './attention-train';
import { attentionTrainBackward, attentionTrainSum } from './attention-train-backward';
import { conv } from './conv';
import { convBackward, convTrain } from './conv-train';
import { deltaGates, deltaRule } from './delta';
import { deltaBackward } from './delta-backward';
import { deltaGatesBackward, deltaTrain } from './delta-train';
import { add, copy, sigmoidGate, swiglu } from './elementwise';
import { axpby, sigmoidGateBackward, swigluBackward } from './elementwise-backward';
import { embed } from './embed';
import { embedBackward } from './embed-backward';
import { gemm, gemmSum } from './gemm';
import { storeKV } from './kv';
import { crossEntropy, klDivergence } from './loss';
import { matmul } from './matmul';
import { combine, gather, gatherRows, route } from './moe';
import { combineBackward, gatherBackward, routeBackward } from './moe-backward';
import { gatedNorm, rmsNorm } from './norm';
import { gatedNormBackward, rmsNormBackward } from './norm-backward';
import { adamw } from './optimizer';
import { quantize } from './quantize';
import { addNoise, dropout } from './random';
import { repack } from './repack';
import { rope } from './rope';
import { scaleColumns } from './scale';
import { sumColumns, sumSquares } from './sums';

/** Computes one piece of the operation at `op`. */
export function execute(op: usize, piece: i32, scratch: usize): void {
  switch (load<i32>(op)) {
    case Op.copy:
      copy(op, piece, scratch);
      break;
    case Op.embed:
      embed(op, piece, scratch);
      break;
    case Op.quantize:
      quantize(op, piece, scratch);
      break;
    case Op.matmul:
      matmul(op, piece, scratch);
      break;
    case Op.repack:
      repack(op, piece, scratch);
      break;
    case Op.rmsNorm:
      rmsNorm(op, piece, scratch);
      break;
    case Op.gatedNorm:
      gatedNorm(op, piece, scratch);
      break;
    case Op.rope:
      rope(op, piece, scratch);
      break;
    case Op.storeKV:
      storeKV(op, piece, scratch);
      break;
    case Op.attention:
      attention(op, piece, scratch);
      break;
    case Op.attentionCombine:
      attentionCombine(op, piece, scratch);
      break;
    case Op.attentionTrainPack:
      attentionTrainPack(op, piece, scratch);
      break;
    case Op.attentionTrain:
      attentionTrain(op, piece, scratch);
      break;
    case Op.attentionTrainBackward:
      attentionTrainBackward(op, piece, scratch);
      break;
    case Op.attentionTrainSum:
      attentionTrainSum(op, piece, scratch);
      break;
    case Op.swiglu:
      swiglu(op, piece, scratch);
      break;
    case Op.sigmoidGate:
      sigmoidGate(op, piece, scratch);
      break;
    case Op.add:
      add(op, piece, scratch);
      break;
    case Op.conv:
      conv(op, piece, scratch);
      break;
    case Op.deltaGates:
      deltaGates(op, piece, scratch);
      break;
    case Op.deltaRule:
      deltaRule(op, piece, scratch);
      break;
    case Op.route:
      route(op, piece, scratch);
      break;
    case Op.gather:
      gather(op, piece, scratch);
      break;
    case Op.gatherRows:
      gatherRows(op, piece, scratch);
      break;
    case Op.combine:
      combine(op, piece, scratch);
      break;
    case Op.sumColumns:
      sumColumns(op, piece, scratch);
      break;
    case Op.sumSquares:
      sumSquares(op, piece, scratch);
      break;
    case Op.rmsNormBackward:
      rmsNormBackward(op, piece, scratch);
      break;
    case Op.swigluBackward:
      swigluBackward(op, piece, scratch);
      break;
    case Op.axpby:
      axpby(op, piece, scratch);
      break;
    case Op.embedBackward:
      embedBackward(op, piece, scratch);
      break;
    case Op.crossEntropy:
      crossEntropy(op, piece, scratch);
      break;
    case Op.adamw:
      adamw(op, piece, scratch);
      break;
    case Op.gemm:
      gemm(op, piece, scratch);
      break;
    case Op.gemmSum:
      gemmSum(op, piece, scratch);
      break;
    case Op.klDivergence:
      klDivergence(op, piece, scratch);
      break;
    case Op.dropout:
      dropout(op, piece, scratch);
      break;
    case Op.addNoise:
      addNoise(op, piece, scratch);
      break;
    case Op.scaleColumns:
      scaleColumns(op, piece, scratch);
      break;
    case Op.sigmoidGateBackward:
      sigmoidGateBackward(op, piece, scratch);
      break;
    case Op.gatedNormBackward:
      gatedNormBackward(op, piece, scratch);
      break;
    case Op.combineBackward:
      combineBackward(op, piece, scratch);
      break;
    case Op.routeBackward:
      routeBackward(op, piece, scratch);
      break;
    case Op.gatherBackward:
      gatherBackward(op, piece, scratch);
      break;
    case Op.convTrain:
      convTrain(op, piece, scratch);
      break;
    case Op.convBackward:
      convBackward(op, piece, scratch);
      break;
    case Op.deltaTrain:
      deltaTrain(op, piece, scratch);
      break;
    case Op.deltaBackward:
      deltaBackward(op, piece, scratch);
      break;
    case Op.deltaGatesBackward:
      deltaGatesBackward(op, piece, scratch);
      break;
    default:
      unreachable();
  }
}
