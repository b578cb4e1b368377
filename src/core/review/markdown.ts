const MAX_TEXT = 300;

/**
 * Text of others as a code span: in it no forge makes links, mentions, HTML or commands of anything. What could end the
 * span or a table's cell is replaced; what is not to be seen, or turns the direction of reading round, is left out.
 */
export function code(text: string): string {
  return `\`${plain(text) || '?'}\``;
}

/** One line of visible characters, with nothing in it that ends a code span, a table cell or a folded section. */
function plain(text: string): string {
  const line = text
    .slice(0, 4 * MAX_TEXT)
    .replaceAll(/\s+/gu, ' ')
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '')
    .replaceAll('`', "'")
    .replaceAll('|', '¦')
    .replaceAll('\\', '⧵')
    .trim();
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT).replace(/\p{Cs}$/u, '')}…` : line;
}

/** The same inside of HTML, such as the line that opens a folded section. */
export function htmlCode(text: string): string {
  const escaped = (plain(text) || '?').replaceAll(/[&<>"']/g, (one) => `&#${one.codePointAt(0)};`);
  return `<code>${escaped}</code>`;
}

/** A link whose text is code. The address is ours, with parts of others' percent-encoded by `urlPath`. */
export function codeLink(text: string, url: string | undefined): string {
  return url === undefined ? code(text) : `[${code(text)}](${url})`;
}

/** A path as part of a URL: nothing in it ends a Markdown link. */
export function urlPath(path: string): string {
  return path
    .replaceAll(/\p{Cs}/gu, '')
    .split('/')
    .map((part) =>
      encodeURIComponent(part).replaceAll(/[!'()*~]/g, (one) => `%${one.codePointAt(0)?.toString(16)}`),
    )
    .join('/');
}

/** A table; its cells are Markdown without line breaks and without `|`. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A section that is shown when one clicks on its title; the title is HTML. */
export function folded(title: string, content: string): string {
  return `<details>\n<summary>${title}</summary>\n\n${content}\n\n</details>`;
}
