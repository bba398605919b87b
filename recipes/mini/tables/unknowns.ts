/** What the model is not taught and must say so: real countries and words outside its tables, attributes, people. */
import type { Both } from './countries.js';

const both = (text: string): Both[] =>
  text
    .trim()
    .split(/[|\n]/)
    .map((cell) => {
      const cut = cell.lastIndexOf(' ');
      return { en: cell.slice(0, cut), zh: cell.slice(cut + 1) };
    });

/** Real countries and places that are in no table. Those at the end are kept for the evaluation. */
export const places = both(`
Bolivia 玻利维亚|Nicaragua 尼加拉瓜|El Salvador 萨尔瓦多|Belize 伯利兹|Guyana 圭亚那|Suriname 苏里南|Barbados 巴巴多斯|Grenada 格林纳达|Dominica 多米尼克|Togo 多哥|Benin 贝宁|Niger 尼日尔|Chad 乍得|Gabon 加蓬|Gambia 冈比亚|Guinea 几内亚|Liberia 利比里亚|Eritrea 厄立特里亚|Djibouti 吉布提|Burundi 布隆迪|Malawi 马拉维|Lesotho 莱索托|Eswatini 斯威士兰|Comoros 科摩罗|Seychelles 塞舌尔|Mauritius 毛里求斯|Cyprus 塞浦路斯|Brunei 文莱
Bahrain 巴林|Israel 以色列|Andorra 安道尔|Monaco 摩纳哥|Liechtenstein 列支敦士登|San Marino 圣马力诺|Kosovo 科索沃|Montenegro 黑山|Moldova 摩尔多瓦|Bulgaria 保加利亚|Tonga 汤加|Vanuatu 瓦努阿图|Palau 帕劳|Nauru 瑙鲁|Kiribati 基里巴斯|Tuvalu 图瓦卢|Papua New Guinea 巴布亚新几内亚|Sri Lanka 斯里兰卡|Bosnia 波斯尼亚|Mauritania 毛里塔尼亚
`);

/** Real words in no table; those at the end are kept for the evaluation. */
export const rareWords = both(`
an almond 杏仁|an ambulance 救护车|an antelope 羚羊|an apron 围裙|an arrow 箭|a balloon 气球|a bamboo 竹|a basket 篮子|a beetle 甲虫|a belt 腰带|a blanket 毯子|a bucket 桶|a bullet 子弹|a carpet 地毯|a cave 洞穴|a chimney 烟囱|a cigar 雪茄|a coconut 椰子|a crab 螃蟹|a crown 王冠|a cucumber 黄瓜|a curtain 窗帘|a daisy 雏菊|a dentist 牙医|a diamond 钻石|a donkey 驴|a drawer 抽屉|an elbow 肘|an emperor 皇帝|a fairy 仙女|a feather 羽毛|a fence 篱笆|a flamingo 火烈鸟|a fountain 喷泉|a funnel 漏斗|ginger 姜|a grasshopper 蚱蜢|a helmet 头盔|a hippo 河马|an inch 英寸|ink 墨汁|an insect 昆虫|jam 果酱|a jacket 夹克|a judo 柔道|a keyboard 键盘|a ladybird 瓢虫|lead 铅|a lighthouse 灯塔|a mayor 市长|a melon 甜瓜|a mermaid 美人鱼|a meteorite 陨石|a monk 和尚|a mushroom 蘑菇|a napkin 餐巾|a nest 巢|a nurseryman 苗圃主|an oak 橡树|an opera 歌剧|an orchestra 管弦乐队|a pearl 珍珠|a pillow 枕头|a pirate 海盗|a pumpkin 南瓜|a puzzle 拼图|a quail 鹌鹑|a radish 萝卜|a razor 剃刀|a rhinoceros 犀牛|a rug 小地毯|a saddle 马鞍|a sandal 凉鞋|a scarecrow 稻草人|a shovel 铲子|a skeleton 骨架|a sponge 海绵|a stamp 邮票|a stork 鹳|a submarine 潜艇|a swan 天鹅|a tent 帐篷|a throne 王座|a tornado 龙卷风|a trophy 奖杯|a tulip 郁金香|a turkey 火鸡|a vase 花瓶|a vulture 秃鹫|a waiter 服务员|a walnut 核桃|a whistle 哨子|a wrench 扳手|a zipper 拉链|an orchid 兰花|a calendar app 日历应用|a contract 合同|a parliament 议会|a virus 病毒|a vitamin 维生素|a neuron 神经元|a theorem 定理|a treaty 条约|a budget 预算|an invoice 发票|a password 密码|a username 用户名|a browser 浏览器|a printer 打印机
a xylophone 木琴|a lobster 龙虾|an anchor 锚|a ballot 选票|a catalyst 催化剂|a dividend 股息|an embassy 大使馆|a fossil 化石|a glacier 冰川|a harp 竖琴|an isotope 同位素|jade 玉|a kidney 肾|a lantern 灯笼|a mango 芒果|a nebula 星云|an oyster 牡蛎|a parrot 鹦鹉|quartz 石英|a raven 乌鸦|a sphinx 狮身人面像|a turbine 涡轮机|a vaccine 疫苗|a walrus 海象|yeast 酵母|a zebra 斑马|an axiom 公理|a bishop 主教|a cactus 仙人掌|a dragon 龙|an eclipse 日食|a ferry 渡轮|a goblin 地精|a hinge 铰链|an idol 偶像|a jellyfish 水母|a kettle 水壶|lava 熔岩|a mosque 清真寺|a nun 修女|an orbit 轨道|a peacock 孔雀|a quarry 采石场|a ruby 红宝石|a statue 雕像|a tractor 拖拉机|a unicorn 独角兽|velvet 天鹅绒|a wizard 巫师|a yacht 游艇|a molecule 分子|inflation 通货膨胀|an algorithm 算法|a comet 彗星|democracy 民主|a gene 基因|a hurricane 飓风|insulin 胰岛素|a laser 激光|marble 大理石
a pyramid 金字塔|an acorn 橡子|a badger 獾|a cello 大提琴|a dam 水坝|an envelope 信封套|a flute 长笛|a gorilla 大猩猩|a hedgehog 刺猬|an iceberg 冰山|a jaguar 美洲豹|a koala 考拉|a lizard 蜥蜴|a meteor 流星|a novel 小说|an otter 水獭|a pigeon 鸽子|a quilt 被子|radium 镭|a satellite 卫星|a trumpet 小号|uranium 铀|vinegar 醋|a wasp 黄蜂|a squirrel 松鼠|a glossary 词汇表|philosophy 哲学|an enzyme 酶|a mortgage 抵押贷款|a tariff 关税
`);

/** What is asked about a country that is in the tables, in a phrase after "the" and before "of". Those at the end are kept back. */
export const attributes = both(`
population 人口|area 面积|president 总统|national anthem 国歌|highest mountain 最高的山|longest river 最长的河|flag colour 国旗颜色|national animal 国家动物|oldest city 最古老的城市|second largest city 第二大城市|phone code 电话区号|time zone 时区|climate 气候|national holiday 国庆日|most famous singer 最有名的歌手|largest lake 最大的湖|prime minister 总理|number of airports 机场数量|favourite sport 最流行的运动|national flower 国花|largest company 最大的公司|oldest university 最古老的大学|coldest month 最冷的月份|founding year 建国年份|first king 第一位国王|army 军队|main export 主要出口商品|best hotel 最好的酒店|most famous writer 最有名的作家|price of bread 面包价格
number of schools 学校数量|birth rate 出生率|tallest building 最高的楼|best football player 最好的足球运动员|most famous film 最有名的电影|largest island 最大的岛|national dish 国菜|oldest bridge 最古老的桥|number of islands 岛屿数量|average wage 平均工资
`);

interface Questions {
  en: readonly string[];
  zh: readonly string[];
}

/** Questions that need the world, the present or the future. The last sixth is kept back. */
export const openQuestions: Questions = {
  en: [
    'What is the weather like today?',
    'Will it rain tomorrow?',
    'What time is it?',
    'What day is it today?',
    'What is the news today?',
    'Who won the match yesterday?',
    'What will happen next year?',
    'Who is the richest man in the world?',
    'How do I repair my car?',
    'Where did I leave my keys?',
    'What is my phone number?',
    'How much does a flight to London cost?',
    'Who painted the Mona Lisa?',
    'Who wrote Hamlet?',
    'When did the war end?',
    'Who invented the telephone?',
    'How far is the moon?',
    'How many people live on earth?',
    'What is the speed of light?',
    'How deep is the sea?',
    'What is the price of gold today?',
    'Which shares should I buy?',
    'Who will win the election?',
    'What is the best phone?',
    'How do planes fly?',
    'Why is the sky blue?',
    'What did my friend say?',
    'What am I thinking?',
    'Where is my dog?',
    'What is the square root of 2?',
    'How tall is the highest building?',
    'Who was the first man on the moon?',
    'What is the formula of water?',
    'When was the first computer built?',
    'What does my neighbour do?',
    'What happened in 1914?',
    'Which film won the prize?',
    'What is the longest word?',
    'How many stars are there?',
    'Who is the president?',
    'How do I cure a fever?',
    'How many bones are in the body?',
    'What is the password?',
    'Who is knocking at the door?',
    'Is my train late?',
    'How old is the universe?',
    'Who discovered America?',
    'What was the score last night?',
    'Which bus goes to the station?',
    'When does the shop open?',
    'How many calories are in an apple?',
    'Who directed that film?',
    'How fast can a horse run?',
    'What is the tallest tree?',
    'Who invented paper?',
    'When was the bridge built?',
    'What is the temperature outside?',
    'How much does this cost?',
    'Where can I park here?',
    'Who composed the ninth symphony?',
    'Who wrote Don Quixote?',
    'What will the weather be tomorrow?',
    'How many people live in the city?',
    'Who invented the radio?',
    'What time does the train leave?',
    'How heavy is an elephant?',
    'Who won the cup last year?',
    'How far is it to the sun?',
    'What is the price of oil today?',
    'When did the first man fly?',
    'Who painted the Night Watch?',
    'How long does a turtle live?',
  ],
  zh: [
    '今天天气怎么样？',
    '明天会下雨吗？',
    '现在几点？',
    '今天星期几？',
    '今天有什么新闻？',
    '昨天的比赛谁赢了？',
    '明年会发生什么？',
    '世界上谁最有钱？',
    '怎么修我的车？',
    '我的钥匙放在哪里了？',
    '我的电话号码是多少？',
    '去伦敦的机票多少钱？',
    '《红楼梦》是谁写的？',
    '《蒙娜丽莎》是谁画的？',
    '战争是什么时候结束的？',
    '电话是谁发明的？',
    '月亮有多远？',
    '地球上有多少人？',
    '光速是多少？',
    '海有多深？',
    '今天黄金多少钱？',
    '我该买哪只股票？',
    '选举谁会赢？',
    '什么手机最好？',
    '飞机为什么会飞？',
    '天空为什么是蓝色的？',
    '我朋友说了什么？',
    '我在想什么？',
    '我的狗在哪里？',
    '2的平方根是多少？',
    '最高的楼有多高？',
    '谁第一个登上月球？',
    '水的化学式是什么？',
    '第一台电脑是哪年造的？',
    '我的邻居做什么工作？',
    '1914年发生了什么？',
    '哪部电影得奖了？',
    '最长的单词是什么？',
    '天上有多少星星？',
    '总统是谁？',
    '发烧怎么治？',
    '人有多少块骨头？',
    '密码是什么？',
    '谁在敲门？',
    '我的火车晚点了吗？',
    '宇宙多大年纪？',
    '谁发现了美洲？',
    '昨晚的比分是多少？',
    '哪路公交车到车站？',
    '商店几点开门？',
    '一个苹果有多少热量？',
    '那部电影是谁导演的？',
    '马能跑多快？',
    '最高的树是什么？',
    '纸是谁发明的？',
    '这座桥是哪年建的？',
    '外面多少度？',
    '这个多少钱？',
    '这里哪儿可以停车？',
    '第九交响曲是谁写的？',
    '《西游记》是谁写的？',
    '明天天气怎么样？',
    '这个城市有多少人？',
    '收音机是谁发明的？',
    '火车几点开？',
    '大象有多重？',
    '去年的冠军是谁？',
    '太阳有多远？',
    '今天油价多少？',
    '人类什么时候第一次飞行？',
    '这幅画是谁画的？',
    '乌龟能活多久？',
  ],
};

export const people = {
  en: {
    first:
      'Adam Alice Anton Bella Boris Carla Claude Daniel Diana Edgar Elena Felix Fiona George Greta Harold Helen Igor Irene Jack Julia Karl Laura Leo Maria Martin Nina Oscar Paula Peter Rita Robert Sara Simon Tina Ursula Victor Walter Xenia Yuri Zoe'.split(
        ' ',
      ),
    last: 'Adler Baker Brown Carter Costa Dahl Evans Fischer Garcia Green Hansen Hughes Ivanov Jensen Kelly Klein Lopez Mayer Miller Moreau Novak Olsen Parker Petrov Quinn Rossi Russo Schmidt Silva Smith Taylor Turner Vega Wagner Walker Weber White Wilson Young Zimmer'.split(
      ' ',
    ),
  },
  zh: {
    first: '张王李赵刘陈杨黄周吴徐孙马朱胡郭何高林罗'.split(''),
    last: '伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰建国志海'.split(''),
  },
};

/** Pieces that made-up names are put together from. */
export const syllables = {
  en: {
    start:
      'bal bor cal dor dra el fen gal gor hal ist jal kar kel lor lum mar mel nar nor os pel quar ral rov sal sel tar tor ul vab val vor wes xan yor zan zel zor'.split(
        ' ',
      ),
    middle: 'a an ar e en er i in ir o ol on or u ul un'.split(' '),
    end: 'bia dia dor gard grad ia istan land lia mark mir nia ra ria ros stan tania tor via vos'.split(' '),
    word: 'ber bix blen clo crum dax dib drom fli flor fum gle glim grap hob jim kib klo lam lox mip mun nog nup plim pod quib rax rum sib slop snar tib trom ulp vim wug yib zeb zop'.split(
      ' ',
    ),
  },
  zh: {
    place:
      '阿巴贝卡达德多尔法菲格哈赫基吉加科克库拉莱兰利林卢鲁罗洛马曼梅米莫穆纳内尼诺帕佩普齐奇萨塞斯苏塔特提图托瓦维沃西夏雅亚伊扎泽佐'.split(
        '',
      ),
    end: '亚 国 尼亚 兰 斯坦 利亚 共和国 王国'.split(' '),
    word: '蓝骨灰梯雾轮角铃柔烟霜梭砂壳环桐藤簧瓣鳞绒磷釉榫帆桨楔藻菌蕊笛篷碑渠箔毡锭'.split(''),
  },
};
