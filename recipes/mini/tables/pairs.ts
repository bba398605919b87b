/** Words that are only translated, not defined, and words with their opposites. */
import type { Both } from './countries.js';

const TRANSLATIONS = `
red 红色|blue 蓝色|green 绿色|yellow 黄色|black 黑色|white 白色|brown 棕色|purple 紫色|pink 粉色|grey 灰色
one 一|two 二|three 三|four 四|five 五|six 六|seven 七|eight 八|nine 九|ten 十|hundred 百|thousand 千
spring 春天|summer 夏天|autumn 秋天|winter 冬天|morning 早上|noon 中午|afternoon 下午|evening 晚上|today 今天|tomorrow 明天|yesterday 昨天
Monday 星期一|Tuesday 星期二|Wednesday 星期三|Thursday 星期四|Friday 星期五|Saturday 星期六|Sunday 星期日
January 一月|February 二月|March 三月|April 四月|May 五月|June 六月|July 七月|August 八月|September 九月|October 十月|November 十一月|December 十二月
year 年|month 月份|week 星期|day 日子|hour 小时|minute 分钟|second 秒
eat 吃|drink 喝|sleep 睡觉|walk 走路|run 跑|jump 跳|swim 游泳|fly 飞|sing 唱歌|dance 跳舞|read 读|write 写|speak 说话|listen 听|see 看见|think 思考|learn 学习|teach 教|work 工作|play 玩
buy 买|sell 卖|give 给|take 拿|open 打开|close 关闭|begin 开始|finish 结束|help 帮助|wait 等待|laugh 笑|cry 哭|love 爱|hate 恨|remember 记住|forget 忘记|win 赢|lose 输|ask 问|answer 回答
come 来|go 去|stand 站|sit 坐|wash 洗|cut 切|build 建造|break 打破|carry 搬|push 推|pull 拉|throw 扔|catch 抓住|find 找到|choose 选择|try 尝试|travel 旅行|rest 休息|draw 画画|count 数数
big 大的|small 小的|long 长的|short 短的|high 高的|low 低的|new 新的|old 旧的|young 年轻的|hot 热的|cold 冷的|warm 温暖的|cool 凉快的|fast 快的|slow 慢的|good 好的|bad 坏的|beautiful 美丽的|ugly 丑的|happy 快乐的|sad 悲伤的
strong 强壮的|weak 虚弱的|rich 富有的|poor 贫穷的|clean 干净的|dirty 脏的|dry 干燥的|wet 湿的|full 满的|empty 空的|heavy 重的|light 轻的|hard 硬的|soft 软的|easy 容易的|difficult 困难的|cheap 便宜的|expensive 昂贵的|safe 安全的|dangerous 危险的
hungry 饿的|thirsty 渴的|tired 累的|ill 生病的|healthy 健康的|angry 生气的|afraid 害怕的|brave 勇敢的|clever 聪明的|stupid 笨的|lazy 懒惰的|busy 忙碌的|free 自由的|polite 有礼貌的|honest 诚实的|kind 善良的|quiet 安静的|noisy 吵闹的|bright 明亮的|dark 黑暗的
sweet 甜的|sour 酸的|bitter 苦的|salty 咸的|spicy 辣的|fresh 新鲜的|deep 深的|narrow 窄的|wide 宽的|thick 厚的|thin 薄的|round 圆的|sharp 锋利的|famous 著名的|important 重要的|interesting 有趣的|strange 奇怪的|modern 现代的|ancient 古老的|foreign 外国的
brother 兄弟|sister 姐妹|son 儿子|daughter 女儿|uncle 叔叔|aunt 阿姨|husband 丈夫|wife 妻子|child 孩子|man 男人|woman 女人|boss 老板|colleague 同事|customer 顾客|enemy 敌人|hero 英雄
north 北|south 南|east 东|west 西|left 左边|right 右边|up 上面|down 下面|inside 里面|outside 外面|front 前面|back 后面
hello 你好|goodbye 再见|thanks 谢谢|sorry 对不起|please 请|yes 是|no 不
meat 肉|fish 鱼肉|chicken 鸡肉|beef 牛肉|fruit 水果|vegetable 蔬菜|juice 果汁|wine 葡萄酒|beer 啤酒|breakfast 早餐|lunch 午餐|dinner 晚餐|chocolate 巧克力|strawberry 草莓|pear 梨|orange 橙子|corn 玉米|bean 豆子|pepper 辣椒|garlic 大蒜
airport 机场|station 车站|street 街道|building 大楼|address 地址|passport 护照|luggage 行李|weather 天气|temperature 温度|language 语言|word 词语|sentence 句子|number 数字|name 名字|music 音乐|art 艺术|science 科学|history 历史|mathematics 数学|culture 文化|science fiction 科幻小说|internet 互联网|software 软件|idea 主意|problem 难题|truth 真相|hope 希望|future 未来|past 过去|world 世界|life 生命|death 死亡|time 时间|success 成功|failure 失败|freedom 自由|knowledge 知识|experience 经验
`;

const OPPOSITES = `
big small 大 小|long short 长 短|high low 高 低|new old 新 旧|hot cold 热 冷|fast slow 快 慢|good bad 好 坏|happy sad 快乐 悲伤|strong weak 强 弱|rich poor 富 穷|clean dirty 干净 肮脏|dry wet 干 湿|full empty 满 空|heavy light 重 轻|hard soft 硬 软|easy difficult 容易 困难|cheap expensive 便宜 昂贵|safe dangerous 安全 危险|brave timid 勇敢 胆小|clever stupid 聪明 愚笨|lazy hardworking 懒惰 勤劳|quiet noisy 安静 吵闹|bright dark 明亮 黑暗|wide narrow 宽 窄|thick thin 厚 薄|deep shallow 深 浅|near far 近 远|early late 早 晚|open closed 开 关|true false 真 假|right wrong 对 错|up down 上 下|inside outside 里 外|front back 前 后|north south 北 南|east west 东 西|day night 白天 黑夜|love hate 爱 恨|begin end 开始 结束|buy sell 买 卖|win lose 赢 输|remember forget 记住 忘记|laugh cry 笑 哭|give take 给 拿|push pull 推 拉|come go 来 去|ask answer 问 答|war peace 战争 和平|success failure 成功 失败|friend enemy 朋友 敌人|life death 生 死|black white 黑 白|ancient modern 古代 现代|polite rude 礼貌 粗鲁|honest dishonest 诚实 虚伪|simple complicated 简单 复杂|public private 公开 私密|first last 最先 最后|always never 总是 从不
`;

/** English and Chinese word of the same meaning. */
export const translations: readonly Both[] = TRANSLATIONS.trim()
  .split(/[|\n]/)
  .map((cell) => {
    const cut = cell.lastIndexOf(' ');
    return { en: cell.slice(0, cut), zh: cell.slice(cut + 1) };
  });

/** A word and its opposite in both languages. */
export const opposites: readonly (readonly [Both, Both])[] = OPPOSITES.trim()
  .split('|')
  .map((cell) => {
    const [a, b, x, y] = cell.split(' ');
    return [
      { en: a, zh: x },
      { en: b, zh: y },
    ] as const;
  });
