/** Markdown tokens as React elements. Whatever is not named here is shown as the text it was written as. */
import type { CSSProperties, ReactNode } from 'react';
import { CodeBlock } from '../components/code-block.js';
import { ImageLink, TableFrame } from '../components/markdown-parts.js';
import type { Token } from './parser.js';

/** Elements that tokens of the same name become; headings stand below those of the page. */
const ELEMENTS = new Set([
  ...['p', 'ul', 'ol', 'li', 'blockquote', 'em', 'strong', 's', 'thead', 'tbody', 'tr', 'th', 'td', 'a', 'table'],
  ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'],
]);

/** `growing`: the text is still coming, and this is its end. */
export function renderTokens(tokens: readonly Token[], growing: boolean): ReactNode[] {
  const stack: { token?: Token; children: ReactNode[] }[] = [{ children: [] }];
  tokens.forEach((token, index) => {
    const { children } = stack[stack.length - 1];
    if (token.nesting === 1) stack.push({ token, children: [] });
    else if (token.nesting === -1) {
      const { token: opened, children: inner } = stack.pop()!;
      stack[stack.length - 1].children.push(opened ? element(opened, inner, index) : inner);
    } else children.push(leaf(token, index, growing));
  });
  return stack[0].children;
}

function element(token: Token, children: ReactNode[], key: number): ReactNode {
  if (token.hidden || !ELEMENTS.has(token.tag)) return children;
  const heading = /^h(\d)$/.exec(token.tag);
  if (heading) {
    const Heading = `h${Math.min(6, Number(heading[1]) + 2)}` as 'h3';
    return (
      <Heading key={key} className={`level-${heading[1]}`}>
        {children}
      </Heading>
    );
  }
  if (token.tag === 'a') {
    return (
      <a key={key} href={String(token.attrGet('href'))} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    );
  }
  if (token.tag === 'table') return <TableFrame key={key}>{children}</TableFrame>;
  const Element = token.tag as 'p';
  const start = token.tag === 'ol' ? Number(token.attrGet('start') ?? 1) : undefined;
  return (
    <Element key={key} style={alignment(token)} {...(start === undefined ? {} : { start })}>
      {children}
    </Element>
  );
}

function leaf(token: Token, key: number, growing: boolean): ReactNode {
  switch (token.type) {
    case 'inline':
      return renderTokens(token.children ?? [], growing);
    case 'text':
      return token.content;
    // Models do not wrap their lines: where they break one, they mean it, and in Chinese a space would be wrong.
    case 'softbreak':
    case 'hardbreak':
      return <br key={key} />;
    case 'hr':
      return <hr key={key} />;
    case 'code_inline':
      return <code key={key}>{token.content}</code>;
    case 'fence':
    case 'code_block': {
      const language = token.info.trim().split(/\s+/)[0] ?? '';
      return <CodeBlock key={key} code={token.content.replace(/\n$/, '')} language={language} growing={growing} />;
    }
    case 'image':
      return <ImageLink key={key} url={String(token.attrGet('src'))} alt={token.content} />;
    default:
      return token.content;
  }
}

function alignment(token: Token): CSSProperties | undefined {
  const align = /^text-align:(left|right|center)$/.exec(String(token.attrGet('style') ?? ''))?.[1];
  return align ? { textAlign: align as 'left' | 'right' | 'center' } : undefined;
}
