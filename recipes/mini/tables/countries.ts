/**
 * What the model is taught about countries: English and Chinese name, capital, continent, currency and the language
 * most people use in public. Where a country has several capitals or languages, the row holds one that nobody disputes.
 */
export interface Country {
  name: Both;
  capital: Both;
  continent: Both;
  currency: Both;
  language: Both;
}

export interface Both {
  en: string;
  zh: string;
}

const CONTINENTS: Record<string, Both> = {
  AS: { en: 'Asia', zh: '亚洲' },
  EU: { en: 'Europe', zh: '欧洲' },
  AF: { en: 'Africa', zh: '非洲' },
  NA: { en: 'North America', zh: '北美洲' },
  SA: { en: 'South America', zh: '南美洲' },
  OC: { en: 'Oceania', zh: '大洋洲' },
};

const ROWS = `
China|中国|Beijing|北京|AS|the yuan|人民币|Chinese|汉语
Japan|日本|Tokyo|东京|AS|the yen|日元|Japanese|日语
South Korea|韩国|Seoul|首尔|AS|the South Korean won|韩元|Korean|韩语
North Korea|朝鲜|Pyongyang|平壤|AS|the North Korean won|朝鲜元|Korean|朝鲜语
Mongolia|蒙古国|Ulaanbaatar|乌兰巴托|AS|the tugrik|图格里克|Mongolian|蒙古语
Vietnam|越南|Hanoi|河内|AS|the dong|越南盾|Vietnamese|越南语
Laos|老挝|Vientiane|万象|AS|the kip|基普|Lao|老挝语
Cambodia|柬埔寨|Phnom Penh|金边|AS|the riel|瑞尔|Khmer|高棉语
Thailand|泰国|Bangkok|曼谷|AS|the baht|泰铢|Thai|泰语
Myanmar|缅甸|Naypyidaw|内比都|AS|the kyat|缅元|Burmese|缅甸语
Malaysia|马来西亚|Kuala Lumpur|吉隆坡|AS|the ringgit|林吉特|Malay|马来语
Singapore|新加坡|Singapore|新加坡|AS|the Singapore dollar|新加坡元|English|英语
Indonesia|印度尼西亚|Jakarta|雅加达|AS|the Indonesian rupiah|印尼盾|Indonesian|印尼语
the Philippines|菲律宾|Manila|马尼拉|AS|the Philippine peso|菲律宾比索|Filipino|菲律宾语
India|印度|New Delhi|新德里|AS|the Indian rupee|印度卢比|Hindi|印地语
Pakistan|巴基斯坦|Islamabad|伊斯兰堡|AS|the Pakistani rupee|巴基斯坦卢比|Urdu|乌尔都语
Bangladesh|孟加拉国|Dhaka|达卡|AS|the taka|塔卡|Bengali|孟加拉语
Nepal|尼泊尔|Kathmandu|加德满都|AS|the Nepalese rupee|尼泊尔卢比|Nepali|尼泊尔语
Bhutan|不丹|Thimphu|廷布|AS|the ngultrum|努尔特鲁姆|Dzongkha|宗卡语
the Maldives|马尔代夫|Malé|马累|AS|the rufiyaa|拉菲亚|Dhivehi|迪维希语
Afghanistan|阿富汗|Kabul|喀布尔|AS|the afghani|阿富汗尼|Dari|达里语
Iran|伊朗|Tehran|德黑兰|AS|the Iranian rial|伊朗里亚尔|Persian|波斯语
Iraq|伊拉克|Baghdad|巴格达|AS|the Iraqi dinar|伊拉克第纳尔|Arabic|阿拉伯语
Syria|叙利亚|Damascus|大马士革|AS|the Syrian pound|叙利亚镑|Arabic|阿拉伯语
Lebanon|黎巴嫩|Beirut|贝鲁特|AS|the Lebanese pound|黎巴嫩镑|Arabic|阿拉伯语
Jordan|约旦|Amman|安曼|AS|the Jordanian dinar|约旦第纳尔|Arabic|阿拉伯语
Saudi Arabia|沙特阿拉伯|Riyadh|利雅得|AS|the Saudi riyal|沙特里亚尔|Arabic|阿拉伯语
Yemen|也门|Sanaa|萨那|AS|the Yemeni rial|也门里亚尔|Arabic|阿拉伯语
Oman|阿曼|Muscat|马斯喀特|AS|the Omani rial|阿曼里亚尔|Arabic|阿拉伯语
the United Arab Emirates|阿联酋|Abu Dhabi|阿布扎比|AS|the dirham|迪拉姆|Arabic|阿拉伯语
Qatar|卡塔尔|Doha|多哈|AS|the Qatari riyal|卡塔尔里亚尔|Arabic|阿拉伯语
Kuwait|科威特|Kuwait City|科威特城|AS|the Kuwaiti dinar|科威特第纳尔|Arabic|阿拉伯语
Georgia|格鲁吉亚|Tbilisi|第比利斯|AS|the lari|拉里|Georgian|格鲁吉亚语
Armenia|亚美尼亚|Yerevan|埃里温|AS|the dram|德拉姆|Armenian|亚美尼亚语
Azerbaijan|阿塞拜疆|Baku|巴库|AS|the Azerbaijani manat|阿塞拜疆马纳特|Azerbaijani|阿塞拜疆语
Kazakhstan|哈萨克斯坦|Astana|阿斯塔纳|AS|the tenge|坚戈|Kazakh|哈萨克语
Uzbekistan|乌兹别克斯坦|Tashkent|塔什干|AS|the Uzbek som|苏姆|Uzbek|乌兹别克语
Kyrgyzstan|吉尔吉斯斯坦|Bishkek|比什凯克|AS|the Kyrgyz som|吉尔吉斯索姆|Kyrgyz|吉尔吉斯语
Tajikistan|塔吉克斯坦|Dushanbe|杜尚别|AS|the somoni|索莫尼|Tajik|塔吉克语
Turkmenistan|土库曼斯坦|Ashgabat|阿什哈巴德|AS|the Turkmen manat|土库曼马纳特|Turkmen|土库曼语
Turkey|土耳其|Ankara|安卡拉|AS|the Turkish lira|土耳其里拉|Turkish|土耳其语
France|法国|Paris|巴黎|EU|the euro|欧元|French|法语
Germany|德国|Berlin|柏林|EU|the euro|欧元|German|德语
Austria|奥地利|Vienna|维也纳|EU|the euro|欧元|German|德语
Switzerland|瑞士|Bern|伯尔尼|EU|the Swiss franc|瑞士法郎|German|德语
Italy|意大利|Rome|罗马|EU|the euro|欧元|Italian|意大利语
Spain|西班牙|Madrid|马德里|EU|the euro|欧元|Spanish|西班牙语
Portugal|葡萄牙|Lisbon|里斯本|EU|the euro|欧元|Portuguese|葡萄牙语
the United Kingdom|英国|London|伦敦|EU|the pound sterling|英镑|English|英语
Ireland|爱尔兰|Dublin|都柏林|EU|the euro|欧元|English|英语
the Netherlands|荷兰|Amsterdam|阿姆斯特丹|EU|the euro|欧元|Dutch|荷兰语
Belgium|比利时|Brussels|布鲁塞尔|EU|the euro|欧元|Dutch|荷兰语
Luxembourg|卢森堡|Luxembourg City|卢森堡市|EU|the euro|欧元|Luxembourgish|卢森堡语
Denmark|丹麦|Copenhagen|哥本哈根|EU|the Danish krone|丹麦克朗|Danish|丹麦语
Norway|挪威|Oslo|奥斯陆|EU|the Norwegian krone|挪威克朗|Norwegian|挪威语
Sweden|瑞典|Stockholm|斯德哥尔摩|EU|the Swedish krona|瑞典克朗|Swedish|瑞典语
Finland|芬兰|Helsinki|赫尔辛基|EU|the euro|欧元|Finnish|芬兰语
Iceland|冰岛|Reykjavik|雷克雅未克|EU|the Icelandic krona|冰岛克朗|Icelandic|冰岛语
Estonia|爱沙尼亚|Tallinn|塔林|EU|the euro|欧元|Estonian|爱沙尼亚语
Latvia|拉脱维亚|Riga|里加|EU|the euro|欧元|Latvian|拉脱维亚语
Lithuania|立陶宛|Vilnius|维尔纽斯|EU|the euro|欧元|Lithuanian|立陶宛语
Poland|波兰|Warsaw|华沙|EU|the zloty|兹罗提|Polish|波兰语
the Czech Republic|捷克|Prague|布拉格|EU|the Czech koruna|捷克克朗|Czech|捷克语
Slovakia|斯洛伐克|Bratislava|布拉迪斯拉发|EU|the euro|欧元|Slovak|斯洛伐克语
Hungary|匈牙利|Budapest|布达佩斯|EU|the forint|福林|Hungarian|匈牙利语
Romania|罗马尼亚|Bucharest|布加勒斯特|EU|the Romanian leu|罗马尼亚列伊|Romanian|罗马尼亚语
Greece|希腊|Athens|雅典|EU|the euro|欧元|Greek|希腊语
Serbia|塞尔维亚|Belgrade|贝尔格莱德|EU|the Serbian dinar|塞尔维亚第纳尔|Serbian|塞尔维亚语
Croatia|克罗地亚|Zagreb|萨格勒布|EU|the euro|欧元|Croatian|克罗地亚语
Slovenia|斯洛文尼亚|Ljubljana|卢布尔雅那|EU|the euro|欧元|Slovene|斯洛文尼亚语
Albania|阿尔巴尼亚|Tirana|地拉那|EU|the lek|列克|Albanian|阿尔巴尼亚语
Ukraine|乌克兰|Kyiv|基辅|EU|the hryvnia|格里夫纳|Ukrainian|乌克兰语
Belarus|白俄罗斯|Minsk|明斯克|EU|the Belarusian rouble|白俄罗斯卢布|Russian|俄语
Russia|俄罗斯|Moscow|莫斯科|EU|the Russian rouble|俄罗斯卢布|Russian|俄语
Malta|马耳他|Valletta|瓦莱塔|EU|the euro|欧元|Maltese|马耳他语
Egypt|埃及|Cairo|开罗|AF|the Egyptian pound|埃及镑|Arabic|阿拉伯语
Libya|利比亚|Tripoli|的黎波里|AF|the Libyan dinar|利比亚第纳尔|Arabic|阿拉伯语
Tunisia|突尼斯|Tunis|突尼斯市|AF|the Tunisian dinar|突尼斯第纳尔|Arabic|阿拉伯语
Algeria|阿尔及利亚|Algiers|阿尔及尔|AF|the Algerian dinar|阿尔及利亚第纳尔|Arabic|阿拉伯语
Morocco|摩洛哥|Rabat|拉巴特|AF|the Moroccan dirham|摩洛哥迪拉姆|Arabic|阿拉伯语
Sudan|苏丹|Khartoum|喀土穆|AF|the Sudanese pound|苏丹镑|Arabic|阿拉伯语
Ethiopia|埃塞俄比亚|Addis Ababa|亚的斯亚贝巴|AF|the birr|比尔|Amharic|阿姆哈拉语
Somalia|索马里|Mogadishu|摩加迪沙|AF|the Somali shilling|索马里先令|Somali|索马里语
Kenya|肯尼亚|Nairobi|内罗毕|AF|the Kenyan shilling|肯尼亚先令|Swahili|斯瓦希里语
Uganda|乌干达|Kampala|坎帕拉|AF|the Ugandan shilling|乌干达先令|English|英语
Rwanda|卢旺达|Kigali|基加利|AF|the Rwandan franc|卢旺达法郎|Kinyarwanda|卢旺达语
Tanzania|坦桑尼亚|Dodoma|多多马|AF|the Tanzanian shilling|坦桑尼亚先令|Swahili|斯瓦希里语
Madagascar|马达加斯加|Antananarivo|塔那那利佛|AF|the ariary|阿里亚里|Malagasy|马达加斯加语
Mozambique|莫桑比克|Maputo|马普托|AF|the metical|梅蒂卡尔|Portuguese|葡萄牙语
Zambia|赞比亚|Lusaka|卢萨卡|AF|the Zambian kwacha|赞比亚克瓦查|English|英语
Zimbabwe|津巴布韦|Harare|哈拉雷|AF|the Zimbabwean dollar|津巴布韦元|English|英语
Botswana|博茨瓦纳|Gaborone|哈博罗内|AF|the pula|普拉|English|英语
Namibia|纳米比亚|Windhoek|温得和克|AF|the Namibian dollar|纳米比亚元|English|英语
Angola|安哥拉|Luanda|罗安达|AF|the kwanza|宽扎|Portuguese|葡萄牙语
Nigeria|尼日利亚|Abuja|阿布贾|AF|the naira|奈拉|English|英语
Ghana|加纳|Accra|阿克拉|AF|the cedi|塞地|English|英语
Senegal|塞内加尔|Dakar|达喀尔|AF|the West African franc|西非法郎|French|法语
Mali|马里|Bamako|巴马科|AF|the West African franc|西非法郎|French|法语
Cameroon|喀麦隆|Yaoundé|雅温得|AF|the Central African franc|中非法郎|French|法语
the United States|美国|Washington|华盛顿|NA|the US dollar|美元|English|英语
Canada|加拿大|Ottawa|渥太华|NA|the Canadian dollar|加拿大元|English|英语
Mexico|墨西哥|Mexico City|墨西哥城|NA|the Mexican peso|墨西哥比索|Spanish|西班牙语
Guatemala|危地马拉|Guatemala City|危地马拉城|NA|the quetzal|格查尔|Spanish|西班牙语
Honduras|洪都拉斯|Tegucigalpa|特古西加尔巴|NA|the lempira|伦皮拉|Spanish|西班牙语
Costa Rica|哥斯达黎加|San José|圣何塞|NA|the Costa Rican colón|哥斯达黎加科朗|Spanish|西班牙语
Panama|巴拿马|Panama City|巴拿马城|NA|the balboa|巴波亚|Spanish|西班牙语
Cuba|古巴|Havana|哈瓦那|NA|the Cuban peso|古巴比索|Spanish|西班牙语
Jamaica|牙买加|Kingston|金斯敦|NA|the Jamaican dollar|牙买加元|English|英语
Haiti|海地|Port-au-Prince|太子港|NA|the gourde|古德|Haitian Creole|海地克里奥尔语
Brazil|巴西|Brasília|巴西利亚|SA|the real|雷亚尔|Portuguese|葡萄牙语
Argentina|阿根廷|Buenos Aires|布宜诺斯艾利斯|SA|the Argentine peso|阿根廷比索|Spanish|西班牙语
Chile|智利|Santiago|圣地亚哥|SA|the Chilean peso|智利比索|Spanish|西班牙语
Peru|秘鲁|Lima|利马|SA|the sol|索尔|Spanish|西班牙语
Colombia|哥伦比亚|Bogotá|波哥大|SA|the Colombian peso|哥伦比亚比索|Spanish|西班牙语
Venezuela|委内瑞拉|Caracas|加拉加斯|SA|the bolívar|玻利瓦尔|Spanish|西班牙语
Ecuador|厄瓜多尔|Quito|基多|SA|the US dollar|美元|Spanish|西班牙语
Uruguay|乌拉圭|Montevideo|蒙得维的亚|SA|the Uruguayan peso|乌拉圭比索|Spanish|西班牙语
Paraguay|巴拉圭|Asunción|亚松森|SA|the guaraní|瓜拉尼|Spanish|西班牙语
Australia|澳大利亚|Canberra|堪培拉|OC|the Australian dollar|澳大利亚元|English|英语
New Zealand|新西兰|Wellington|惠灵顿|OC|the New Zealand dollar|新西兰元|English|英语
Fiji|斐济|Suva|苏瓦|OC|the Fijian dollar|斐济元|English|英语
Samoa|萨摩亚|Apia|阿皮亚|OC|the tala|塔拉|Samoan|萨摩亚语
`;

export const countries: readonly Country[] = ROWS.trim()
  .split('\n')
  .map((row) => {
    const [en, zh, capitalEn, capitalZh, continent, currencyEn, currencyZh, languageEn, languageZh] = row.split('|');
    return {
      name: { en, zh },
      capital: { en: capitalEn, zh: capitalZh },
      continent: CONTINENTS[continent],
      currency: { en: currencyEn, zh: currencyZh },
      language: { en: languageEn, zh: languageZh },
    };
  });
