/** The methods as what they minimise. */
import { join } from 'node:path';
import { KaiwenError } from '../errors.js';
import type { TrainConfig } from './config.js';
import type { Corpus } from './corpus.js';
import type { RunData } from './data.js';
import type { RunPlan } from './defaults.js';
import { Distillation } from './distill.js';
import { Preference, referenceOf } from './dpo.js';
import type { LineageBase } from './lineage.js';
import { TrainableModel } from './model.js';
import { NextToken, type Objective } from './objective.js';
import type { Prepared } from './plan.js';
import type { TrainBatch } from './trainable.js';

/** What the run minimises. Computes what DPO refers to, or finds it. */
export async function makeObjective(
  config: TrainConfig,
  { plan, vocabSize }: Prepared,
  model: TrainableModel,
  data: RunData,
  { base, teacher, signal }: { base?: LineageBase; teacher?: TrainableModel; signal?: AbortSignal },
): Promise<Objective> {
  if (config.method === 'dpo') {
    const { beta, label_smoothing: labelSmoothing, sft } = config.dpo ?? { beta: 0.1, label_smoothing: 0, sft: 0 };
    const sizes = { context: plan.context, rows: plan.rows, vocabSize };
    const reference = (corpus: Corpus, name: string) =>
      referenceOf(model, corpus, sizes, {
        path: join(config.out, `reference-${name}.bin`),
        key: `${base?.hash} ${frozenAs(config)} ${corpus.hash} ${plan.context}`,
        signal,
      });
    const train = await reference(data.train, 'train');
    const validation = data.validation && (await reference(data.validation, 'validation'));
    return new Preference(model, { beta, labelSmoothing, sft }, { train, validation });
  }
  if (teacher) {
    const { temperature, share } = config.distill!;
    return new Distillation(model, teacher, plan.rows, { temperature, share });
  }
  return new NextToken(model);
}

/** Rounded weights answer otherwise than the file's. */
function frozenAs({ tuning, base }: TrainConfig): string {
  return tuning === 'qlora' ? base : 'file';
}

/** Throws KaiwenError 'bad_input' if the teacher has another vocabulary. */
export function openTeacher(path: string, { plan, vocabSize }: Prepared): TrainableModel {
  const { threads, rows, context } = plan;
  const teacher = TrainableModel.open(path, { threads, rows, maxRun: context, train: 'nothing' });
  const theirs = teacher.definition.vocabSize;
  if (theirs === vocabSize) return teacher;
  teacher[Symbol.dispose]();
  throw new KaiwenError('bad_input', `${path}: ${theirs} tokens, but the student has ${vocabSize}.`, {
    remedy: 'Teacher and student must have the same vocabulary.',
  });
}

/** Memory that a method takes beside its model. */
export function extraBytes(config: TrainConfig, { rows, context, threads }: RunPlan, vocabSize: number): number {
  if (config.method !== 'distill') return 0;
  const teacher = TrainableModel.plan(config.distill!.teacher, { threads, rows, maxRun: context, train: 'nothing' });
  return teacher.arenaBytes + 4 * rows * vocabSize;
}

/** What a method computes for a batch besides the model's own way forward and back, for measuring time. */
export function extraWork(
  { method }: TrainConfig,
  model: TrainableModel,
  teacher: TrainableModel | undefined,
): (batch: TrainBatch) => void {
  if (method === 'dpo') return (batch) => void model.forward(batch);
  if (teacher) return ({ ids, runs }) => teacher.eachLogits(ids, runs, () => {});
  return () => {};
}
