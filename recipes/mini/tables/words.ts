/** Nouns with a short definition in both languages: English with its article, Chinese, and what each says it is. */
export interface Word {
  /** Without article. */
  en: string;
  zh: string;
  /** With its article: "an apple". */
  phrase: string;
  meaning: { en: string; zh: string };
}

const ROWS = `
an apple|苹果|a round fruit with a thin skin|一种圆圆的、皮很薄的水果
a banana|香蕉|a long yellow fruit|一种又长又黄的水果
a grape|葡萄|a small round fruit that wine is made from|一种可以酿酒的小圆果
a lemon|柠檬|a sour yellow fruit|一种很酸的黄色水果
a peach|桃子|a soft fruit with a furry skin|一种表皮有细毛的软水果
a watermelon|西瓜|a large green fruit that is red inside|一种外绿里红的大水果
a potato|土豆|a vegetable that grows under the ground|一种长在地下的蔬菜
a tomato|西红柿|a red juicy fruit used as a vegetable|一种当菜吃的多汁红果
an onion|洋葱|a vegetable that makes you cry when you cut it|一种切的时候会让人流泪的蔬菜
a carrot|胡萝卜|an orange root that rabbits like|一种兔子爱吃的橙色根菜
rice|大米|a white grain that is eaten every day in Asia|亚洲人每天吃的白色谷物
bread|面包|a food baked from flour and water|用面粉和水烤成的食物
cheese|奶酪|a solid food made from milk|用奶做成的固体食物
butter|黄油|a yellow fat made from cream|用奶油做成的黄色油脂
honey|蜂蜜|a sweet liquid made by bees|蜜蜂酿造的甜液体
sugar|糖|a sweet powder put into tea and cakes|放进茶和蛋糕里的甜粉末
salt|盐|white grains from the sea that season food|来自海水的白色调味颗粒
tea|茶|a drink made from dried leaves|用干树叶泡的饮料
coffee|咖啡|a dark drink made from roasted beans|用烤过的豆子煮的深色饮料
milk|牛奶|the white drink that cows give|奶牛产的白色饮料
an egg|鸡蛋|what a hen lays|母鸡生下来的东西
soup|汤|a hot liquid food eaten with a spoon|用勺子喝的热的液体食物
a noodle|面条|a long thin strip of dough|又长又细的面食
a cake|蛋糕|a sweet food for birthdays|过生日时吃的甜食
a cat|猫|a small pet that catches mice|会捉老鼠的小宠物
a dog|狗|a loyal animal that guards the house|会看家的忠诚动物
a horse|马|a large animal that people ride|人们骑的大动物
a cow|奶牛|a farm animal that gives milk|会产奶的农场动物
a pig|猪|a farm animal with a flat nose|鼻子扁平的农场动物
a sheep|绵羊|an animal that gives wool|能提供羊毛的动物
a goat|山羊|an animal with horns and a beard|有角有胡子的动物
a rabbit|兔子|a small animal with long ears|耳朵很长的小动物
a mouse|老鼠|a tiny animal with a thin tail|尾巴细细的小动物
an elephant|大象|the largest animal on land, with a long trunk|鼻子很长的陆地上最大的动物
a lion|狮子|a big wild cat with a mane|长着鬃毛的大型野猫
a tiger|老虎|a big wild cat with stripes|身上有条纹的大型野猫
a bear|熊|a heavy animal that sleeps in winter|冬天会睡觉的笨重动物
a panda|熊猫|a black and white animal that eats bamboo|吃竹子的黑白动物
a monkey|猴子|a clever animal that climbs trees|会爬树的聪明动物
a giraffe|长颈鹿|an animal with a very long neck|脖子非常长的动物
a camel|骆驼|a desert animal with humps|沙漠里背上有驼峰的动物
a fox|狐狸|a wild animal with a bushy red tail|红尾巴又蓬又松的野生动物
a wolf|狼|a wild relative of the dog|狗的野生亲戚
a deer|鹿|a shy forest animal with antlers|森林里胆小的、头上长角的动物
a kangaroo|袋鼠|a jumping animal that carries its young in a pouch|把孩子装在袋子里跳着走的动物
a whale|鲸鱼|the largest animal in the sea|海里最大的动物
a dolphin|海豚|a clever sea animal that breathes air|呼吸空气的聪明海洋动物
a shark|鲨鱼|a large fish with sharp teeth|牙齿锋利的大鱼
a frog|青蛙|a green animal that jumps and lives near water|住在水边会跳的绿色动物
a snake|蛇|a long animal without legs|没有脚的长条动物
a turtle|乌龟|a slow animal with a hard shell|背着硬壳的慢动物
a crocodile|鳄鱼|a dangerous reptile that lives in rivers|住在河里的危险爬行动物
a bird|鸟|an animal with feathers and wings|有羽毛和翅膀的动物
an eagle|鹰|a strong bird that hunts from high up|从高空捕猎的猛禽
an owl|猫头鹰|a bird that hunts at night|夜里捕食的鸟
a penguin|企鹅|a bird that swims but cannot fly|会游泳但不会飞的鸟
a duck|鸭子|a bird with a flat beak that swims on ponds|嘴巴扁平、在池塘里游水的鸟
a butterfly|蝴蝶|an insect with colourful wings|翅膀五颜六色的昆虫
a bee|蜜蜂|an insect that makes honey|会酿蜜的昆虫
an ant|蚂蚁|a tiny insect that works in large groups|成群干活的小昆虫
a spider|蜘蛛|a small animal with eight legs that spins webs|会结网的八条腿小动物
a mosquito|蚊子|an insect that bites and drinks blood|会咬人吸血的昆虫
a tree|树|a tall plant with a trunk|有树干的高大植物
a flower|花|the colourful part of a plant|植物上颜色鲜艳的部分
grass|草|the low green plant that covers fields|长满田野的绿色矮植物
a leaf|树叶|the flat green part of a plant|植物上扁平的绿色部分
a seed|种子|the small thing a plant grows from|植物由它长出来的小东西
a root|根|the part of a plant under the ground|植物在地下的部分
a forest|森林|a large area full of trees|长满树的大片地方
a mountain|山|a very high piece of land|很高的陆地
a river|河|water that flows to the sea|流向大海的水
a lake|湖|water with land all around it|四周都是陆地的水
an ocean|海洋|a huge area of salt water|一大片咸水
an island|岛|land with water all around it|四周都是水的陆地
a desert|沙漠|a dry place with little rain|很少下雨的干燥地方
a beach|海滩|the sand beside the sea|海边的沙地
a volcano|火山|a mountain that throws out hot rock|会喷出热岩石的山
an earthquake|地震|a shaking of the ground|地面的摇动
the sun|太阳|the star that warms the earth|温暖地球的恒星
the moon|月亮|the body that circles the earth|绕着地球转的天体
a star|星星|a bright point in the night sky|夜空中的亮点
a planet|行星|a body that circles a star|绕着恒星转的天体
the sky|天空|the space above our heads|我们头顶上的空间
a cloud|云|a white mass of tiny water drops in the air|空中由小水滴聚成的白团
rain|雨|water that falls from clouds|从云里落下的水
snow|雪|soft white ice that falls in winter|冬天落下的白色软冰
ice|冰|water that is frozen|冻住的水
wind|风|air that moves|流动的空气
a storm|暴风雨|bad weather with strong wind and rain|又刮大风又下大雨的坏天气
lightning|闪电|a flash of light in a storm|暴风雨中的一道亮光
thunder|雷|the loud noise after lightning|闪电之后的巨响
a rainbow|彩虹|a bow of seven colours after rain|雨后七种颜色的弧
fog|雾|a cloud close to the ground|贴近地面的云
fire|火|what burns and gives heat|会燃烧发热的东西
water|水|the clear liquid that all life needs|一切生命都需要的透明液体
air|空气|what we breathe|我们呼吸的东西
sand|沙子|tiny grains of stone|石头的细小颗粒
gold|金子|a precious yellow metal|一种贵重的黄色金属
silver|银|a precious white metal|一种贵重的白色金属
iron|铁|a hard metal that rusts|一种会生锈的硬金属
glass|玻璃|a hard clear material for windows|做窗户的透明硬材料
wood|木头|the hard material that trees are made of|树的坚硬材料
paper|纸|thin sheets to write on|用来写字的薄片
plastic|塑料|a light material made from oil|用石油做成的轻材料
cotton|棉花|a soft white plant fibre for clothes|做衣服的白色软纤维
silk|丝绸|a fine shiny cloth made by worms|用蚕吐的丝做成的光亮布料
a house|房子|a building where people live|人们居住的建筑
a door|门|what you open to enter a room|进房间时打开的东西
a window|窗户|an opening in a wall that lets in light|墙上透光的开口
a roof|屋顶|the top of a house|房子的顶部
a wall|墙|one side of a room|房间的一面
a kitchen|厨房|the room where food is cooked|做饭的房间
a bedroom|卧室|the room where you sleep|睡觉的房间
a bathroom|浴室|the room where you wash|洗澡的房间
a garden|花园|a place where flowers are grown|种花的地方
a bed|床|a piece of furniture to sleep on|用来睡觉的家具
a chair|椅子|a seat for one person|一个人坐的家具
a table|桌子|furniture with a flat top and legs|有平面和腿的家具
a sofa|沙发|a soft seat for several people|几个人坐的软座位
a lamp|灯|a thing that gives light|发光的东西
a clock|钟|a thing that shows the time|显示时间的东西
a mirror|镜子|glass in which you see yourself|能照见自己的玻璃
a candle|蜡烛|a stick of wax that burns|会燃烧的蜡条
a cup|杯子|a small thing to drink from|用来喝水的小器具
a plate|盘子|a flat dish for food|装食物的扁平器具
a bowl|碗|a deep round dish|又深又圆的餐具
a knife|刀|a tool with a blade for cutting|有刀刃、用来切东西的工具
a fork|叉子|a tool with points for eating|有尖齿的餐具
a spoon|勺子|a tool for eating soup|喝汤的餐具
a pair of chopsticks|筷子|two sticks for eating|吃饭用的两根小棍
a bottle|瓶子|a container for liquids with a narrow neck|装液体的细颈容器
a box|盒子|a container with flat sides|四面平平的容器
a bag|袋子|a soft container for carrying things|用来带东西的软容器
a key|钥匙|a small metal thing that opens locks|能开锁的小金属
a lock|锁|a thing that keeps a door shut|把门关牢的东西
an umbrella|雨伞|what keeps you dry in the rain|下雨时挡雨的东西
a broom|扫帚|a brush with a long handle for sweeping|用来扫地的长柄刷子
soap|肥皂|what you wash your hands with|洗手用的东西
a towel|毛巾|a cloth for drying yourself|擦干身体的布
a brush|刷子|a tool with hairs for cleaning or painting|带毛的清洁或画画工具
a fridge|冰箱|a machine that keeps food cold|让食物保持低温的机器
an oven|烤箱|a hot box for baking|用来烘烤的热箱子
a television|电视|a screen for watching programmes|看节目的屏幕
a computer|电脑|a machine that works with information|处理信息的机器
a telephone|电话|a device for talking to people far away|和远方的人说话的设备
a camera|照相机|a device that takes pictures|拍照片的设备
a robot|机器人|a machine that does work by itself|会自己干活的机器
a battery|电池|a thing that stores electricity|储存电的东西
a magnet|磁铁|a thing that attracts iron|能吸住铁的东西
a microscope|显微镜|a device that makes tiny things look big|让小东西看起来很大的仪器
a telescope|望远镜|a device for looking at far things|用来看远处东西的仪器
a thermometer|温度计|a device that measures heat|测量冷热的仪器
a compass|指南针|a device that points to the north|指示方向的仪器
a hammer|锤子|a tool for hitting nails|用来敲钉子的工具
a nail|钉子|a thin pointed piece of metal|细而尖的金属条
a saw|锯子|a tool with teeth for cutting wood|有齿的、用来锯木头的工具
a pair of scissors|剪刀|two blades for cutting paper|剪纸用的两片刀
a rope|绳子|a thick strong string|又粗又结实的线
a ladder|梯子|steps for climbing up|往上爬的架子
a needle|针|a thin tool for sewing|缝东西用的细工具
a button|纽扣|a small round thing that closes a shirt|扣住衬衫的小圆片
a shirt|衬衫|clothing for the upper body with a collar|有领子的上衣
a pair of trousers|裤子|clothing for the legs|穿在腿上的衣服
a skirt|裙子|clothing that hangs from the waist|从腰上垂下的衣服
a coat|外套|warm clothing worn outside|在外面穿的保暖衣服
a hat|帽子|clothing for the head|戴在头上的东西
a glove|手套|clothing for the hand|戴在手上的东西
a shoe|鞋|clothing for the foot|穿在脚上的东西
a sock|袜子|soft clothing worn inside a shoe|穿在鞋里的软衣物
a scarf|围巾|a long cloth worn around the neck|围在脖子上的长布
a pair of glasses|眼镜|what helps weak eyes see|帮助视力差的人看清的东西
a ring|戒指|jewellery worn on a finger|戴在手指上的首饰
the head|头|the part of the body above the neck|脖子以上的身体部分
an eye|眼睛|the part of the body that sees|用来看的身体部分
an ear|耳朵|the part of the body that hears|用来听的身体部分
a nose|鼻子|the part of the body that smells|用来闻的身体部分
a mouth|嘴|the part of the face that eats and speaks|脸上吃饭说话的部分
a tooth|牙齿|a hard white thing in the mouth for biting|嘴里用来咬的白色硬物
a tongue|舌头|the part of the mouth that tastes|嘴里尝味道的部分
a hand|手|the part of the body at the end of the arm|手臂末端的身体部分
a finger|手指|one of the five parts of a hand|手的五个分支之一
a foot|脚|the part of the body we stand on|我们站立用的身体部分
a knee|膝盖|the joint in the middle of the leg|腿中间的关节
the heart|心脏|the organ that pumps blood|输送血液的器官
a lung|肺|the organ that breathes|用来呼吸的器官
the brain|大脑|the organ that thinks|用来思考的器官
the stomach|胃|the organ that digests food|消化食物的器官
blood|血|the red liquid in the body|身体里的红色液体
a bone|骨头|a hard part inside the body|身体里坚硬的部分
skin|皮肤|the outer cover of the body|身体的外层
hair|头发|what grows on the head|长在头上的东西
a doctor|医生|a person who treats the sick|给病人治病的人
a nurse|护士|a person who cares for patients|照顾病人的人
a teacher|老师|a person who helps others learn|帮助别人学习的人
a student|学生|a person who studies at school|在学校学习的人
a farmer|农民|a person who grows crops|种庄稼的人
a cook|厨师|a person who prepares meals|做饭的人
a baker|面包师|a person who makes bread|做面包的人
a driver|司机|a person who drives a car|开车的人
a pilot|飞行员|a person who flies a plane|开飞机的人
a sailor|水手|a person who works on a ship|在船上工作的人
a soldier|士兵|a person who serves in an army|在军队服役的人
a policeman|警察|a person who keeps order|维持秩序的人
a fireman|消防员|a person who puts out fires|灭火的人
a judge|法官|a person who decides in court|在法庭上作出判决的人
a lawyer|律师|a person who knows the law|懂法律的人
an artist|画家|a person who paints pictures|画画的人
a singer|歌手|a person who sings|唱歌的人
a dancer|舞者|a person who dances|跳舞的人
an actor|演员|a person who plays in films|演电影的人
a writer|作家|a person who writes books|写书的人
a scientist|科学家|a person who studies nature|研究自然的人
an engineer|工程师|a person who designs machines|设计机器的人
a king|国王|a man who rules a country|统治国家的男人
a queen|女王|a woman who rules a country|统治国家的女人
a friend|朋友|a person you like and trust|你喜欢并信任的人
a neighbour|邻居|a person who lives next door|住在隔壁的人
a guest|客人|a person who visits you|来看望你的人
a baby|婴儿|a very young child|很小的孩子
a mother|母亲|a woman who has a child|有孩子的女人
a father|父亲|a man who has a child|有孩子的男人
a grandmother|祖母|the mother of a parent|父亲的母亲
a family|家庭|parents and their children|父母和他们的孩子
a school|学校|a place where children learn|孩子们学习的地方
a university|大学|a school for higher learning|学习高深学问的学校
a library|图书馆|a place where books are lent|借书的地方
a hospital|医院|a place where the sick are treated|给病人治病的地方
a bank|银行|a place that keeps money|存钱的地方
a shop|商店|a place where things are sold|卖东西的地方
a market|市场|a place with many sellers|有很多卖家的地方
a restaurant|餐馆|a place where meals are served|提供饭菜的地方
a hotel|酒店|a place where travellers sleep|旅客过夜的地方
a museum|博物馆|a place that shows old and precious things|展出古老珍贵物品的地方
a theatre|剧院|a place where plays are performed|演戏的地方
a cinema|电影院|a place where films are shown|放电影的地方
a park|公园|a green public place in a city|城市里的公共绿地
a zoo|动物园|a place where wild animals are shown|展示野生动物的地方
a farm|农场|a place where food is grown|生产粮食的地方
a factory|工厂|a place where goods are made|生产商品的地方
an office|办公室|a room where people do paperwork|处理文件的房间
a church|教堂|a place where Christians pray|基督徒祈祷的地方
a temple|寺庙|a place where Buddhists pray|佛教徒祈祷的地方
a castle|城堡|a strong old building with towers|有塔楼的坚固古建筑
a bridge|桥|what crosses a river|跨过河的建筑
a road|路|a way for cars|供汽车走的道
a tunnel|隧道|a way through a mountain|穿过山的通道
a village|村庄|a small place in the country|乡下的小地方
a city|城市|a very big town|很大的市镇
a country|国家|a land with its own government|有自己政府的土地
a border|边界|the line between two countries|两个国家之间的线
a map|地图|a drawing of land seen from above|从上往下画的地面图
a flag|国旗|a cloth that stands for a country|代表国家的布
a car|汽车|a vehicle with four wheels and an engine|有发动机的四轮车
a bicycle|自行车|a vehicle with two wheels and pedals|有脚踏板的两轮车
a bus|公共汽车|a large vehicle for many passengers|载很多乘客的大车
a train|火车|a row of wagons on rails|在铁轨上跑的一列车厢
a plane|飞机|a vehicle that flies with wings|有翅膀的飞行工具
a ship|轮船|a large vessel for the sea|海上的大型交通工具
a boat|小船|a small vessel for rivers and lakes|河湖上的小型交通工具
a rocket|火箭|a vehicle that flies into space|飞向太空的工具
a wheel|轮子|a round thing that turns under a car|车下面会转的圆东西
an engine|发动机|a machine that makes a car move|让汽车跑起来的机器
a ticket|票|a piece of paper that lets you travel|乘车用的纸片
a book|书|many printed pages bound together|装订在一起的印刷纸页
a letter|信|a written message in an envelope|装在信封里的文字
a newspaper|报纸|printed news that comes every day|每天出版的新闻
a dictionary|词典|a book that explains words|解释词语的书
a pen|钢笔|a tool for writing with ink|用墨水写字的工具
a pencil|铅笔|a writing tool that can be rubbed out|写了能擦掉的笔
a song|歌|words with a tune|有曲调的词
a poem|诗|short lines of beautiful words|一行行优美的短句
a story|故事|a tale about things that happened|讲发生过什么事的话
a film|电影|moving pictures with a story|会动的、有情节的画面
a photo|照片|a picture made by a camera|用照相机拍的图像
a piano|钢琴|an instrument with black and white keys|有黑白键的乐器
a guitar|吉他|an instrument with six strings|有六根弦的乐器
a drum|鼓|an instrument you beat with sticks|用棍子敲的乐器
a violin|小提琴|an instrument played with a bow|用弓拉的乐器
football|足球|a game in which a ball is kicked|用脚踢球的运动
chess|国际象棋|a board game with kings and queens|有国王和王后的棋
a kite|风筝|a toy that flies on a string|用线牵着飞的玩具
a doll|娃娃|a toy that looks like a person|样子像人的玩具
a gift|礼物|a thing you give to make someone happy|送给别人让他高兴的东西
money|钱|what you pay with|用来付款的东西
a coin|硬币|a round piece of metal money|圆形的金属钱
a price|价格|what a thing costs|东西值多少钱
a wage|工资|the money paid for work|干活得到的钱
a law|法律|a rule made by a government|政府定的规则
a war|战争|fighting between countries|国家之间的打仗
peace|和平|a time without fighting|没有战争的时候
health|健康|the state of not being ill|没有生病的状态
medicine|药|what makes a sick person well|让病人好起来的东西
a fever|发烧|a body that is too hot|身体太热
a dream|梦|what you see in your sleep|睡觉时看到的东西
a habit|习惯|a thing you do again and again|一再去做的事
a secret|秘密|a thing that others must not know|不能让别人知道的事
a mistake|错误|a thing done wrong|做得不对的事
a question|问题|words that ask for an answer|要求回答的话
luck|运气|good things that come by chance|碰巧得到的好事
a holiday|假期|days without work|不用工作的日子
a birthday|生日|the day a person was born|一个人出生的日子
a wedding|婚礼|the day when two people marry|两个人结婚的仪式
a calendar|日历|a list of the days of a year|一年中日子的表
a century|世纪|one hundred years|一百年
a decade|十年期|ten years|十年
dawn|黎明|the first light of the day|一天最早的光
midnight|午夜|twelve o'clock at night|夜里十二点
an atom|原子|the smallest piece of an element|元素的最小一块
gravity|重力|the force that pulls things down|把东西往下拉的力
oxygen|氧气|the gas in the air that we need to live|空气中我们生存需要的气体
electricity|电|the power that makes lamps shine|让灯发亮的能量
a shadow|影子|the dark shape behind a thing in the light|光照下东西后面的黑影
an echo|回声|a sound that comes back|返回来的声音
a triangle|三角形|a shape with three sides|有三条边的图形
a square|正方形|a shape with four equal sides|有四条相等的边的图形
a circle|圆形|a perfectly round shape|完全圆的图形
`;

export const words: readonly Word[] = ROWS.trim()
  .split('\n')
  .map((row) => {
    const [phrase, zh, meaningEn, meaningZh] = row.split('|');
    return { en: phrase.replace(/^(a pair of|an|a|the) /, ''), zh, phrase, meaning: { en: meaningEn, zh: meaningZh } };
  });
