/**
 * Finds, in a parsed Jinja template, the string literals that texts are compared with or searched for, as opposed to
 * those that are written out: operands of `==`, `!=`, `in`, arguments of methods (`split`, `startswith`) and of filters.
 */

/** Filters whose arguments end up in the output. */
const WRITING_FILTERS = new Set(['default', 'd', 'join', 'indent']);
const COMPARISONS = new Set(['==', '!=', 'in', 'not in']);

interface Node {
  type: string;
  [field: string]: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

/** Replaces the value of every such literal below `root`, in place. */
export function mapOperands(root: unknown, map: (text: string) => string): void {
  const visit = (value: unknown, operand: boolean): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item, operand);
    } else if (value instanceof Map) {
      for (const [key, item] of value) {
        visit(key, operand);
        visit(item, operand);
      }
    } else if (isNode(value)) {
      visitNode(value, operand);
    }
  };
  const visitNode = (node: Node, operand: boolean): void => {
    if (node.type === 'StringLiteral') {
      if (operand) node.value = map(node.value as string);
      return;
    }
    if (node.type === 'CallExpression') {
      visit(node.callee, false);
      visit(node.args, isNode(node.callee) && node.callee.type === 'MemberExpression');
      return;
    }
    if (node.type === 'FilterExpression' || node.type === 'FilterStatement') {
      visit(node.operand, operand);
      visit(node.body, operand);
      const filter = node.filter;
      if (isNode(filter) && filter.type === 'CallExpression' && isNode(filter.callee)) {
        visit(filter.args, !WRITING_FILTERS.has(String(filter.callee.value)));
      }
      return;
    }
    const operator = isNode(node.operator) ? node.operator.value : undefined;
    const compares = node.type === 'BinaryExpression' && COMPARISONS.has(String(operator));
    for (const field of Object.values(node)) visit(field, operand || compares);
  };
  visit(root, false);
}
