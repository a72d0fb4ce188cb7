export interface Column {
  readonly title: string;
  readonly align?: 'right';
}

/**
 * Rows below their titles. Names come from registries and whoever made an image; what a terminal would take for a
 * command is shown as a question mark.
 * @param withTitles false for the later pages of a listing
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  withTitles = true,
): string {
  const clean = rows.map((row) => row.map(printable));
  const lines = withTitles ? [columns.map(({ title }) => title), ...clean] : clean;
  const widths = columns.map(({ title }, n) => Math.max(title.length, ...clean.map((row) => row[n]?.length ?? 0)));
  return lines.map((line) => `${renderLine(columns, line, widths).trimEnd()}\n`).join('');
}

function renderLine(columns: readonly Column[], line: readonly string[], widths: readonly number[]): string {
  const cells = columns.map(({ align }, n) => {
    const [text = '', width = 0] = [line[n], widths[n]];
    return align === 'right' ? text.padStart(width) : text.padEnd(width);
  });
  return cells.join('  ');
}

/** The text without control characters and what turns the direction of writing. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
}
