/** Fields that several of OpenAI's objects have. */
import { z } from 'zod';
import { isObject } from '../fields.js';

/** Labels that a client gives its objects: at most 16, of 64 and 512 characters. */
export const metadata = z
  .custom<Record<string, string>>(
    (value) =>
      isObject(value) &&
      Object.entries(value).length <= 16 &&
      Object.entries(value).every(([key, text]) => key.length <= 64 && typeof text === 'string' && text.length <= 512),
    'expected an object of at most 16 strings of at most 512 characters, with names of at most 64',
  )
  .nullish();
