/** How much of everything: times each topic is seen as a conversation (`chats`) and in plain text (`texts`). */
export const mix = {
  countries: { chats: 16, texts: 20 },
  definitions: { chats: 18, texts: 20 },
  translations: { chats: 14, texts: 14 },
  opposites: { chats: 14, texts: 10 },
  units: { chats: 8, texts: 6 },
  addition: { chats: 1.6, texts: 3 },
  subtraction: { chats: 1.2, texts: 1.8 },
  multiplication: { chats: 20, texts: 16 },
  unknown: { chats: 1, texts: 0 },
  talk: { chats: 60, texts: 20 },
  /** Rounds of paragraphs about all countries. */
  profiles: 10,
  /** Made-up names of each kind and language. */
  madeUp: 1500,
  /** Stories and calculator conversations of each language. */
  stories: 1500,
  calculations: 2500,
};
