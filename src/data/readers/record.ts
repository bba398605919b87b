/** What a reader of any format yields: records in the file's order, each with where it stands. */
export interface RawRecord {
  /** Line of the file from 1; row for tables; 1 for a file that is one document. */
  line: number;
  /** JSON that is not parsed yet: parsing is left to whoever looks at the record. */
  json?: string;
  value?: unknown;
  /** What is wrong with the record; there is neither `json` nor `value` then. */
  fault?: string;
}

export interface ReadProgress {
  /** Bytes of the file read so far. */
  bytes: number;
}

/** `fields`: names of fields that the user knows to be there. */
export type Reader = (path: string, progress: ReadProgress, fields?: readonly string[]) => AsyncIterable<RawRecord>;
