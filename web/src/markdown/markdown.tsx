/** A Markdown text that may still grow. */
import { memo, useState } from 'react';
import { type Block, GrowingMarkdown } from './blocks.js';
import { renderTokens } from './render.js';

export function Markdown({ source, growing }: { source: string; growing: boolean }) {
  const [text] = useState(() => new GrowingMarkdown());
  const blocks = text.update(source, !growing);
  return blocks.map((block, index) => (
    // Blocks are only ever added at the end.
    // biome-ignore lint/suspicious/noArrayIndexKey: their place is what identifies them
    <BlockView key={index} block={block} growing={growing && index === blocks.length - 1} />
  ));
}

const BlockView = memo(function BlockView({ block, growing }: { block: Block; growing: boolean }) {
  return renderTokens(block.tokens, growing);
});
