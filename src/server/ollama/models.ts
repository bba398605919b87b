/**
 * What is served, in Ollama's words: `GET /api/tags` (all), `GET /api/ps` (in memory), `POST /api/show` (one). Digests
 * tell models of one server apart; they are not those of files.
 */
import { parseBody } from '../fields.js';
import { HttpError } from '../http-error.js';
import type { ServedModel } from '../hub.js';
import type { Service } from '../service.js';
import { showRequest } from './schema.js';

/** The served name that `asked` means: Ollama's clients may add the tag `latest` to any. */
export function servedName({ hub }: Service, asked: string): string {
  if (hub.list().some(({ id }) => id === asked)) return asked;
  return asked.replace(/:latest$/, '');
}

export async function listModels({ hub }: Service): Promise<object> {
  return { models: await Promise.all(hub.list().map(entry)) };
}

/** Nothing is known of when a model will be unloaded. */
const NO_END = '9999-12-31T23:59:59Z';

export async function listLoaded({ hub }: Service): Promise<object> {
  const loaded = hub.list().filter((model) => model.loaded);
  const running = async (model: ServedModel) => ({
    ...(await entry(model)),
    expires_at: NO_END,
    size_vram: 0,
    context_length: model.info?.context ?? 0,
  });
  return { models: await Promise.all(loaded.map(running)) };
}

/** Throws HttpError 400 and 404. */
export function showModel(service: Service, body: unknown): object {
  const { model, name } = parseBody(showRequest, body);
  const asked = model ?? name;
  if (!asked) throw new HttpError(400, 'missing_required_parameter', "'model' is required.", { param: 'model' });
  const served = service.hub.find(servedName(service, asked));
  const { info, canThink, created } = served;
  const architecture = info?.architecture ?? '';
  return {
    license: '',
    modelfile: '',
    parameters: info ? `num_ctx ${info.context}` : '',
    template: '',
    system: '',
    details: details(served),
    modified_at: isoTime(created),
    capabilities: ['completion', 'tools', ...(canThink ? ['thinking'] : [])],
    model_info: info
      ? {
          'general.architecture': architecture,
          'general.parameter_count': info.parameters,
          [`${architecture}.context_length`]: info.maxContext,
          [`${architecture}.embedding_length`]: info.hiddenSize,
          [`${architecture}.vocab_size`]: info.vocabSize,
        }
      : {},
  };
}

async function entry(model: ServedModel) {
  const { id, created, info, path } = model;
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${id}\0${path}`));
  const digest = Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return {
    name: id,
    model: id,
    modified_at: isoTime(created),
    size: info?.weightBytes ?? 0,
    digest,
    details: details(model),
  };
}

function details({ info, path, parent }: ServedModel) {
  return {
    parent_model: parent ?? '',
    // What a folder holds is not known here.
    format: path.endsWith('.gguf') ? 'gguf' : '',
    family: info?.architecture ?? '',
    families: info ? [info.architecture] : [],
    parameter_size: info ? shortCount(info.parameters) : '',
    quantization_level: '',
  };
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** 3800000 is 3.8M. */
function shortCount(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)}B`;
  return count >= 1e6 ? `${(count / 1e6).toFixed(1)}M` : `${(count / 1e3).toFixed(1)}K`;
}
