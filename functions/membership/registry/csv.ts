/** Comma-separated values (RFC 4180) from a stream of bytes, row by row, bounded. */

const ROW_CHARS_MAX = 64 * 1024;
const FIELDS_MAX = 400;

/** Thrown where a list is not of its format: it then counts as not there. */
export class ListFormatError extends Error {
  override readonly name = 'ListFormatError';
}

/** Rows of a file in UTF-8; a byte order mark is left out, and empty rows are. */
export async function* csvRows(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const parser = new RowParser();
  try {
    for await (const chunk of bytes) yield* parser.push(decoder.decode(chunk, { stream: true }));
    yield* parser.push(decoder.decode());
  } catch (cause) {
    if (cause instanceof TypeError) throw new ListFormatError('not UTF-8', { cause });
    throw cause;
  }
  yield* parser.end();
}

class RowParser {
  #row: string[] = [];
  #field = '';
  #chars = 0;
  #isQuoted = false;
  /** After the quote that may end a field: a second one stands for itself. */
  #isAfterQuote = false;

  *push(text: string): Generator<string[]> {
    for (const character of text) {
      if ((this.#chars += 1) > ROW_CHARS_MAX) throw new ListFormatError('a row is too long');
      if (this.#isAfterQuote) {
        this.#isAfterQuote = false;
        if (character === '"') {
          this.#field += '"';
          continue;
        }
        this.#isQuoted = false;
      }
      if (this.#isQuoted) {
        if (character === '"') this.#isAfterQuote = true;
        else this.#field += character;
      } else if (character === '"' && this.#field === '') this.#isQuoted = true;
      else if (character === ',') this.#endField();
      else if (character === '\n') yield* this.#endRow();
      else if (character !== '\r') this.#field += character;
    }
  }

  *end(): Generator<string[]> {
    if (this.#isQuoted && !this.#isAfterQuote) throw new ListFormatError('a quote is open');
    yield* this.#endRow();
  }

  #endField(): void {
    if (this.#row.length >= FIELDS_MAX) throw new ListFormatError('a row has too many fields');
    this.#row.push(this.#field.trim());
    this.#field = '';
  }

  *#endRow(): Generator<string[]> {
    this.#endField();
    const row = this.#row;
    this.#row = [];
    this.#chars = 0;
    if (row.some((field) => field !== '')) yield row;
  }
}
