/**
 * Writes an ONNX model: the few messages of onnx.proto that a graph of custom operators needs, in protobuf's wire
 * format (fields as tag and varint, or as tag, length and bytes).
 */
export interface Value {
  name: string;
  shape: readonly number[];
}

export interface Initializer extends Value {
  data: Uint8Array | Float32Array;
}

export interface Node {
  domain: string;
  type: string;
  inputs: readonly string[];
  output: string;
  attributes: Readonly<Record<string, number>>;
}

export interface Graph {
  input: Value;
  outputs: readonly Value[];
  nodes: readonly Node[];
  initializers: readonly Initializer[];
}

const IR_VERSION = 10;
const OPSET = 21;
const FLOAT = 1;
const UINT8 = 2;
const ATTRIBUTE_INT = 2;

/** A ModelProto; inputs and outputs are float32. */
export function encodeModel({ input, outputs, nodes, initializers }: Graph): Uint8Array {
  const graph = message(
    ...nodes.map((node) => field(1, encodeNode(node))),
    field(2, 'graph'),
    ...initializers.map((initializer) => field(5, encodeTensor(initializer))),
    field(11, encodeValue(input)),
    ...outputs.map((output) => field(12, encodeValue(output))),
  );
  const domains = ['', ...new Set(nodes.map(({ domain }) => domain))];
  const opsets = domains.map((domain) => message(field(1, domain), field(2, domain === '' ? OPSET : 1)));
  return message(field(1, IR_VERSION), field(7, graph), ...opsets.map((opset) => field(8, opset)));
}

function encodeNode({ domain, type, inputs, output, attributes }: Node): Uint8Array {
  const pairs = Object.entries(attributes);
  return message(
    ...inputs.map((name) => field(1, name)),
    field(2, output),
    field(4, type),
    ...pairs.map(([name, value]) => field(5, message(field(1, name), field(3, value), field(20, ATTRIBUTE_INT)))),
    field(7, domain),
  );
}

function encodeTensor({ name, shape, data }: Initializer): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const type = data instanceof Float32Array ? FLOAT : UINT8;
  return message(...shape.map((size) => field(1, size)), field(2, type), field(8, name), field(9, bytes));
}

function encodeValue({ name, shape }: Value): Uint8Array {
  const dimensions = shape.map((size) => field(1, message(field(1, size))));
  const tensor = message(field(1, FLOAT), field(2, message(...dimensions)));
  return message(field(1, name), field(2, message(field(1, tensor))));
}

function field(number: number, value: number | string | Uint8Array): Uint8Array {
  if (typeof value === 'number') return message(varint(number << 3), varint(value));
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return message(varint((number << 3) | 2), varint(bytes.length), bytes);
}

function message(...parts: Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return Uint8Array.from([...bytes, value]);
}
